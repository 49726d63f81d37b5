//! Maps each service error to its status on the wire, in every protocol.
//!
//! Java agents of 3.x and 5.x move to another collector on the gRPC codes UNAVAILABLE, PERMISSION_DENIED, UNAUTHENTICATED,
//! RESOURCE_EXHAUSTED and UNKNOWN, and on no other (proto/docs/skywalking.md section 4.3). So an error that another collector or a
//! retry may solve always gets one of these codes, a caller's mistake never does, and UNKNOWN is never used.

#![deny(clippy::wildcard_enum_match_arm)]

use axum::http::StatusCode;
use rollcall_metrics::Outcome;
use rollcall_service::register;
use tonic::Code;

/// The status of a failed call on the wire, and its outcome in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) grpc: Code,
    pub(crate) http: StatusCode,
    /// Whether the call may succeed at the same collector soon. HTTP clients then get a `Retry-After`.
    pub(crate) transient: bool,
    /// The label of the call in the metrics.
    pub(crate) outcome: Outcome,
}

impl From<&register::Error> for Status {
    fn from(error: &register::Error) -> Self {
        use register::Error;
        let (grpc, http, transient, outcome) = match error {
            Error::InvalidKey { .. }
            | Error::NotAnInstance(_)
            | Error::Internal { .. }
            | Error::Refused { .. } => (
                Code::InvalidArgument,
                StatusCode::BAD_REQUEST,
                false,
                Outcome::Invalid,
            ),
            Error::OtherApplication { .. } | Error::NotAnnounced(_) => (
                Code::FailedPrecondition,
                StatusCode::CONFLICT,
                false,
                Outcome::Invalid,
            ),
            Error::TooManyAdopted(_) => (
                Code::NotFound,
                StatusCode::NOT_FOUND,
                false,
                Outcome::Overloaded,
            ),
            Error::Exhausted(_) => (
                Code::ResourceExhausted,
                StatusCode::INSUFFICIENT_STORAGE,
                false,
                Outcome::Failed,
            ),
            Error::NoRoom { .. } | Error::PeerLimit | Error::Overloaded => (
                Code::ResourceExhausted,
                StatusCode::SERVICE_UNAVAILABLE,
                !matches!(error, Error::NoRoom { .. }),
                Outcome::Overloaded,
            ),
            Error::DeadlineExceeded
            | Error::Listening
            | Error::StoreUnavailable
            | Error::StoreFull => (
                Code::Unavailable,
                StatusCode::SERVICE_UNAVAILABLE,
                true,
                Outcome::Unassigned,
            ),
            Error::Stopped => (
                Code::Unavailable,
                StatusCode::SERVICE_UNAVAILABLE,
                false,
                Outcome::Failed,
            ),
        };
        Self {
            grpc,
            http,
            transient,
            outcome,
        }
    }
}

#[cfg(test)]
mod tests;
