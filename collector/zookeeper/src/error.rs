//! Errors of requests.

use std::io;

/// Why a request failed or has an unknown result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection is lost.
    #[error("ZooKeeper is unavailable: {server}: {error}")]
    Lost {
        /// The server, `host:port`.
        server: String,
        /// The cause.
        error: io::Error,
    },
    /// The servers have ended the session and deleted its nodes.
    #[error("ZooKeeper has ended the session")]
    Expired,
    /// The server refuses the request; the code is one of `KeeperException.Code`.
    #[error("ZooKeeper refuses {path}: {reason} (error {code})", reason = refusal(*code))]
    Refused {
        /// ZooKeeper's number of the error.
        code: i32,
        /// The node.
        path: String,
    },
}

impl Error {
    /// The code of a refusal; `None` for other errors.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Lost { .. } | Self::Expired => None,
        }
    }
}

/// A refusal: the node does not exist.
pub(super) const NO_NODE: i32 = -101;
/// A refusal: the node exists.
pub const NODE_EXISTS: i32 = -110;
/// A refusal: the session is over.
pub(super) const SESSION_EXPIRED: i32 = -112;

/// The text of a refusal that an operator may see.
fn refusal(code: i32) -> &'static str {
    match code {
        -8 => "a bad path",
        NO_NODE => "no such node",
        -102 => "its access control list does not allow that: check enable_acl and expression",
        NODE_EXISTS => "the node exists already",
        -115 => "the credentials are not accepted: check expression",
        -119 => "the server is read-only",
        -124 => "it requires SASL authentication, which the collector does not support",
        _ => "see KeeperException.Code",
    }
}
