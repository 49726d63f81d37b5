//! The numeric ids that a collector assigns, and the span types that select them.

use std::{fmt, num::NonZeroI32};

/// Declares an id type. On the wire, 0 means "no id yet"; `from_wire` converts it to `None`, so an id is never 0.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(NonZeroI32);

        impl $name {
            /// The number as it is sent on the wire. It is never 0 and may be negative.
            #[must_use]
            pub fn get(self) -> i32 {
                self.0.get()
            }

            pub(crate) fn from_wire(value: i32) -> Option<Self> {
                NonZeroI32::new(value).map(Self)
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
    /// The id of an application code. All processes of the application have the same id, as long as the collector keeps its store.
    ApplicationId
}

id! {
    /// The id of one process of an application.
    InstanceId
}

id! {
    /// The id of an operation name within an application.
    OperationId
}

id! {
    /// The id of a remote peer.
    AddressId
}

/// The side of a call to which an operation belongs. The same name has a different id on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanType {
    /// The application serves the call.
    Entry,
    /// The application makes the call.
    Exit,
    /// The operation is work within the application, not a call.
    Local,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_on_the_wire_is_not_an_id() {
        assert_eq!(ApplicationId::from_wire(0), None);
        assert_eq!(
            ApplicationId::from_wire(-1).map(ApplicationId::get),
            Some(-1)
        );
    }
}
