//! The numeric ids that a collector assigns, and the span types that select them.

use std::{fmt, num::NonZeroI32};

/// Declares an id type. The wire's 0 means "none yet" and exists nowhere but in `from_wire`.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(NonZeroI32);

        impl $name {
            /// The number as it goes over the wire: never 0, may be negative.
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
    /// The id of an application code. Equal for all processes of the application, for as long as the collector's store
    /// lives.
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

/// The side of a call that an operation is on. The same name has an id per side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanType {
    /// The application serves the call.
    Entry,
    /// The application makes the call.
    Exit,
    /// Neither: work within the application.
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
