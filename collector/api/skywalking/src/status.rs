//! Maps each service error to its status on the wire, in every protocol.
//!
//! Java agents of 3.x and 5.x move to another collector on the gRPC codes UNAVAILABLE, PERMISSION_DENIED, UNAUTHENTICATED,
//! RESOURCE_EXHAUSTED and UNKNOWN, and on no other (proto/docs/skywalking.md section 4.3). So a caller's mistake never gets one
//! of these codes, an error that another collector or a retry may solve always does, and UNKNOWN is never used.

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
    /// Whether the same collector may succeed in a moment, so that HTTP clients get a `Retry-After`.
    pub(crate) transient: bool,
    /// The label of the call in the metrics.
    pub(crate) outcome: Outcome,
}

/// The outcome of a call that was refused with this status, for the metrics.
pub(crate) fn outcome(status: &tonic::Status) -> Outcome {
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Internal
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::AlreadyExists => Outcome::Invalid,
        Code::ResourceExhausted => Outcome::Overloaded,
        Code::Ok => Outcome::Ok,
        Code::Cancelled => Outcome::BrokenOff,
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss => Outcome::Failed,
    }
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
            Error::NoRoom { .. } => (
                Code::ResourceExhausted,
                StatusCode::SERVICE_UNAVAILABLE,
                false,
                Outcome::Overloaded,
            ),
            Error::PeerLimit | Error::Overloaded => (
                Code::ResourceExhausted,
                StatusCode::SERVICE_UNAVAILABLE,
                true,
                Outcome::Overloaded,
            ),
            Error::DeadlineExceeded | Error::Listening | Error::StoreUnavailable => (
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
mod tests {
    use register::{Error, KeyFault};
    use rollcall_domain::{ApplicationId, InstanceId, inventory::Dictionary};

    use super::*;

    /// Whether a 3.x or 5.x Java agent leaves its collector on this code.
    fn changes_collector(code: Code) -> bool {
        matches!(
            code,
            Code::Unavailable
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::ResourceExhausted
                | Code::Unknown
        )
    }

    fn every_error() -> [(Error, Code, u16); 15] {
        let invalid = Error::InvalidKey {
            field: "application code",
            reason: KeyFault::Empty,
        };
        let instance = |raw| InstanceId::new(raw).unwrap();
        let other = Error::OtherApplication {
            instance: instance(7),
            known: ApplicationId::new(-1).unwrap(),
        };
        [
            (invalid, Code::InvalidArgument, 400),
            (
                Error::NotAnInstance(instance(-1)),
                Code::InvalidArgument,
                400,
            ),
            (other, Code::FailedPrecondition, 409),
            (
                Error::TooManyAdopted(Dictionary::Instances),
                Code::NotFound,
                404,
            ),
            (
                Error::Exhausted(Dictionary::Applications),
                Code::ResourceExhausted,
                507,
            ),
            (
                Error::Refused {
                    reason: "too large".to_owned(),
                },
                Code::InvalidArgument,
                400,
            ),
            (Error::PeerLimit, Code::ResourceExhausted, 503),
            (Error::NoRoom { limit: 1 }, Code::ResourceExhausted, 503),
            (Error::Overloaded, Code::ResourceExhausted, 503),
            (
                Error::Internal {
                    dictionary: Dictionary::Applications,
                    id: i32::MIN,
                },
                Code::InvalidArgument,
                400,
            ),
            (
                Error::NotAnnounced(instance(7)),
                Code::FailedPrecondition,
                409,
            ),
            (Error::Listening, Code::Unavailable, 503),
            (Error::DeadlineExceeded, Code::Unavailable, 503),
            (Error::StoreUnavailable, Code::Unavailable, 503),
            (Error::Stopped, Code::Unavailable, 503),
        ]
    }

    #[test]
    fn every_error_has_its_codes_and_none_is_unknown() {
        for (error, grpc, http) in every_error() {
            let status = Status::from(&error);
            assert_eq!(
                (status.grpc, status.http.as_u16()),
                (grpc, http),
                "{error:?}"
            );
            assert_ne!(status.grpc, Code::Unknown, "{error:?}");
        }
    }

    #[test]
    fn agents_leave_when_a_retry_may_help_and_never_after_their_own_mistake() {
        for (error, ..) in every_error() {
            let status = Status::from(&error);
            let may_help = error.retryable() || matches!(error, Error::Exhausted(_));
            assert_eq!(changes_collector(status.grpc), may_help, "{error:?}");
            assert_eq!(status.http.is_server_error(), may_help, "{error:?}");
            assert!(!status.transient || error.retryable(), "{error:?}");
        }
    }
}
