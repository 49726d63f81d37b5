//! The numeric ids that agents hold.
//!
//! On the wire, 0 means "no id yet". Inside the collector that is `None`: conversion code maps 0 to `None` and back.

use std::{fmt, num::NonZeroI32};

/// A map from ids, shared with readers. Add entries with `insert` or `try_insert`: only these make papaya 0.2 move the entries to a
/// larger table. In a map that grows by `get_or_insert_with`, a look-up searches all tables that the map has had.
pub(crate) type IdMap<K, V> = papaya::HashMap<K, V, IdHashing>;

/// Hashes ids with a secret seed. Agents can bring ids of their own, and must not be able to choose ids that collide in one slot.
///
/// A look-up takes 14 ns of processor time in the cache and 137 ns among a million ids. With the standard library's SipHash it
/// takes 26 ns and 278 ns, at most 1 % of a heartbeat; the difference counts where a loop reads every id.
pub(crate) type IdHashing = foldhash::fast::RandomState;

/// The greatest internal id. Internal ids name the registrations of agents of 8.0 and later, which use no ids. Agents never receive
/// one, and no agent up to 7.0 can hold one, because a collector would first have to assign a thousand million ids. An internal id
/// in a call of an agent is refused.
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

            /// The number that agents use; never 0.
            #[must_use]
            pub const fn get(self) -> i32 {
                self.0.get()
            }

            /// Whether the id is internal: only collectors use it. Agents of 8.0 and later use no ids. Earlier agents never receive
            /// an internal id, and their calls may not use one.
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
    /// A named program (3.x/5.x application, 6.x service). The id may be negative; 1 is reserved for `User`.
    ApplicationId
}
id! {
    /// One running process of an application. Assigned ids count 1, 2, 3 ...
    InstanceId
}
id! {
    /// An entry, exit or local name within an application. The id may be negative; 1 is reserved for `None`.
    OperationId
}
id! {
    /// A remote peer `host:port`. The id may be negative; no id is reserved.
    AddressId
}
