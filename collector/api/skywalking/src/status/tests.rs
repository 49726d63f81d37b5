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

fn every_error() -> [(Error, Code, u16); 16] {
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
        (Error::StoreFull, Code::Unavailable, 503),
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
