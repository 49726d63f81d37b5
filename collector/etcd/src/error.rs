//! Errors of calls, and the classification of etcd's answers.

use std::{error, io, iter, path::PathBuf, sync::Arc};

use tonic::{Code, Status};

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The call failed at every endpoint, and the last one was unreachable or did not answer in time. Whether it was carried
    /// out is unknown.
    #[error("etcd is unavailable: {endpoint}: {reason}")]
    Unavailable {
        /// The last endpoint; empty if none is configured.
        endpoint: Arc<str>,
        /// The cause.
        reason: String,
    },
    /// The call failed at every endpoint, and the last one returned a transient error. Whether it was carried out is unknown.
    #[error("etcd at {endpoint} failed the call: {reason}")]
    Failed {
        /// The last endpoint.
        endpoint: Arc<str>,
        /// The cause.
        reason: String,
    },
    /// The space quota of etcd is used up. Reads continue, and every write is refused until the alarm is disarmed.
    #[error(
        "etcd at {endpoint} has no space left and accepts no writes: {reason}; compact its history, defragment it and disarm \
         the alarm (etcdctl compact, etcdctl defrag, etcdctl alarm disarm), or give it a larger --quota-backend-bytes"
    )]
    NoSpace {
        /// The endpoint that answered.
        endpoint: Arc<str>,
        /// The cause.
        reason: String,
    },
    /// An endpoint reported that the request itself is invalid, for example too large. Nothing was carried out.
    #[error("etcd at {endpoint} does not accept the request: {reason}")]
    Invalid {
        /// The endpoint that answered.
        endpoint: Arc<str>,
        /// The cause.
        reason: String,
    },
    /// An endpoint denied the call.
    #[error("etcd at {endpoint} refuses: {reason}")]
    Refused {
        /// The endpoint that answered.
        endpoint: Arc<str>,
        /// The cause.
        reason: String,
    },
}

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An endpoint is not a valid address.
    #[error("the etcd endpoint {endpoint} is not usable: {reason}")]
    Endpoint {
        /// The endpoint, as configured.
        endpoint: String,
        /// The cause.
        reason: String,
    },
    /// A certificate or key cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

/// etcd's message for a token that is older than the last change of users and roles (`ErrGRPCAuthOldRevision` in its rpctypes).
/// It concerns tokens that carry their revision: JSON web tokens.
pub(super) const OUTDATED: &str = "etcdserver: revision of auth store is old";
/// etcd's message for every write while its space alarm is raised (`ErrGRPCNoSpace`).
pub(super) const NO_SPACE: &str = "database space exceeded";
/// etcd's message for a wrong user or password (`ErrGRPCAuthFailed`).
const AUTHENTICATION_FAILED: &str = "authentication failed";
/// The prefix of etcd's own messages. All others are errors of the connection.
const OWN_PREFIX: &str = "etcdserver: ";

impl Error {
    pub(super) fn unavailable(endpoint: Arc<str>, status: &Status) -> Self {
        let reason = describe(status);
        if reason.starts_with(OWN_PREFIX) {
            Self::Failed { endpoint, reason }
        } else {
            Self::Unavailable { endpoint, reason }
        }
    }
}

/// Whether a new token may solve the error. Tokens expire, and some become invalid when users or roles change.
pub(super) fn is_about_token(status: &Status) -> bool {
    status.code() == Code::Unauthenticated || status.message() == OUTDATED
}

/// Whether the request itself is invalid. That includes a request that the transport refuses because of its size.
pub(super) fn is_invalid(status: &Status) -> bool {
    match status.code() {
        // A wrong password has the same code.
        Code::InvalidArgument => !status.message().contains(AUTHENTICATION_FAILED),
        Code::ResourceExhausted => status.message().contains("larger than max"),
        _ => false,
    }
}

/// Whether another endpoint would return the same error.
pub(super) fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

/// The root cause of an error, because a status of the transport reports only that the transport failed.
pub(super) fn describe(status: &Status) -> String {
    let cause = iter::successors(error::Error::source(status), |cause| cause.source()).last();
    match (cause, status.message()) {
        (Some(cause), _) => cause.to_string(),
        (None, "") => status.code().to_string(),
        (None, message) => message.to_owned(),
    }
}
