//! The key of an operation, as a call borrows it.

use rollcall_domain::{
    ApplicationId,
    inventory::{OperationKey, SpanType},
};

/// The borrowed key of an operation.
#[derive(Clone, Copy, Debug)]
pub struct OperationRef<'a> {
    /// The application.
    pub application: ApplicationId,
    /// The type of the spans.
    pub span_type: SpanType,
    /// The name, as the agent reports it.
    pub name: &'a str,
}

impl From<OperationRef<'_>> for OperationKey {
    fn from(operation: OperationRef<'_>) -> Self {
        Self {
            application: operation.application,
            span_type: operation.span_type,
            name: operation.name.into(),
        }
    }
}
