//! Why a call failed, and what the answers of etcd mean.

use std::{error, io, iter, path::PathBuf, sync::Arc};

use tonic::{Code, Status};

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No endpoint could be reached, or none answered in time. Whether the call was carried out is unknown.
    #[error("etcd cannot be reached: {endpoint}: {reason}")]
    Unavailable { endpoint: Arc<str>, reason: String },
    /// Every endpoint answered with an error that may pass. Whether the call was carried out is unknown.
    #[error("etcd at {endpoint} cannot do this at present: {reason}")]
    Failed { endpoint: Arc<str>, reason: String },
    /// The space quota of etcd is used up. Reads go on, and every write is refused until the alarm is disarmed.
    #[error(
        "etcd at {endpoint} has no space left and takes no writes: {reason}; compact its history, defragment it and disarm \
         the alarm (etcdctl compact, etcdctl defrag, etcdctl alarm disarm), or give it a larger --quota-backend-bytes"
    )]
    NoSpace { endpoint: Arc<str>, reason: String },
    /// An endpoint answered that the request itself is at fault: too large, for example. Nothing was carried out.
    #[error("etcd at {endpoint} takes no such request: {reason}")]
    Invalid { endpoint: Arc<str>, reason: String },
    /// An endpoint answered that it will not do this.
    #[error("etcd at {endpoint} refuses: {reason}")]
    Refused { endpoint: Arc<str>, reason: String },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the etcd endpoint {endpoint} is not usable: {reason}")]
    Endpoint { endpoint: String, reason: String },
    #[error("cannot read {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

/// What etcd says of a token that is older than the last change of users and roles (`ErrGRPCAuthOldRevision` in its rpctypes):
/// of those that carry their revision, which are JSON web tokens.
pub(super) const OUTDATED: &str = "etcdserver: revision of auth store is old";
/// What etcd says of every write while its alarm for space is raised (`ErrGRPCNoSpace`).
pub(super) const NO_SPACE: &str = "database space exceeded";
/// What etcd says of a wrong user or password (`ErrGRPCAuthFailed`).
const AUTHENTICATION_FAILED: &str = "authentication failed";
/// How the messages of etcd itself begin. All others are about the way to it.
const OWN_WORDS: &str = "etcdserver: ";

impl Error {
    pub(super) fn unavailable(endpoint: Arc<str>, status: &Status) -> Self {
        let reason = describe(status);
        if reason.starts_with(OWN_WORDS) {
            Self::Failed { endpoint, reason }
        } else {
            Self::Unavailable { endpoint, reason }
        }
    }
}

/// Whether a new token may be answered otherwise: tokens expire, and some are void when users or roles change.
pub(super) fn is_about_token(status: &Status) -> bool {
    status.code() == Code::Unauthenticated || status.message() == OUTDATED
}

/// Whether the request itself is at fault. One that is larger than the server reads at all is refused by its transport.
pub(super) fn is_invalid(status: &Status) -> bool {
    match status.code() {
        // A wrong password has this code too.
        Code::InvalidArgument => !status.message().contains(AUTHENTICATION_FAILED),
        Code::ResourceExhausted => status.message().contains("larger than max"),
        _ => false,
    }
}

/// Whether another endpoint would answer the same.
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

/// What went wrong at the bottom: a status of the transport says no more than that it did.
pub(super) fn describe(status: &Status) -> String {
    let cause = iter::successors(error::Error::source(status), |cause| cause.source()).last();
    match (cause, status.message()) {
        (Some(cause), _) => cause.to_string(),
        (None, "") => status.code().to_string(),
        (None, message) => message.to_owned(),
    }
}
