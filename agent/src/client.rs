//! What the clients of HTTP/1.1 (naming) and HTTP/2 (collectors) share.

use std::error::Error as _;

/// The `User-Agent` of every request.
pub(crate) const AGENT_NAME: &str = concat!("rollcall-agent/", env!("CARGO_PKG_VERSION"));

/// The error with its cause, which holds the detail.
pub(crate) fn with_cause(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
