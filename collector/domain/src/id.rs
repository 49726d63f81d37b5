//! The numeric ids that agents hold.
//!
//! On the wire 0 means "no id yet"; inside there is no such id. Conversion code turns it into an [`Option`] and back.

use std::{fmt, num::NonZeroI32};

mod hash;

pub(crate) use hash::{IdHashing, IdMap};

/// The greatest of the internal ids, which no agent is ever told: they name what agents of 8.0 and later register, which
/// know no ids. No agent up to 7.0 can hold one, since a collector would have to have assigned a thousand million ids before
/// it, and one that an agent uses all the same is refused.
pub(crate) const LAST_INTERNAL: i32 = -(1 << 30);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroI32);

        impl $name {
            /// The id with this number, or `None` for 0, which names nothing.
            #[must_use]
            pub const fn new(raw: i32) -> Option<Self> {
                match NonZeroI32::new(raw) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// The number agents see; never 0.
            #[must_use]
            pub const fn get(self) -> i32 {
                self.0.get()
            }

            /// Whether the collector uses it internally alone: agents of 8.0 and later know no ids, and no other agent is
            /// told this one or may bring it along.
            #[must_use]
            pub const fn is_internal(self) -> bool {
                self.0.get() <= LAST_INTERNAL
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A named program (3.x/5.x application, 6.x service). Either sign; 1 is reserved for `User`.
    ApplicationId
}
id! {
    /// One running process of an application. Assigned ids count 1, 2, 3 ...
    InstanceId
}
id! {
    /// An entry, exit or local name within an application. Either sign; 1 is reserved for `None`.
    OperationId
}
id! {
    /// A remote peer `host:port`. Either sign; nothing is reserved.
    AddressId
}
