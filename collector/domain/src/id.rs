//! The numeric ids that agents hold.
//!
//! On the wire 0 means "no id yet"; inside there is no such id. Conversion code turns it into an [`Option`] and back.

use std::{fmt, num::NonZeroI32};

mod hash;

pub(crate) use hash::IdMap;

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
