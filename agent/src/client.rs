//! Helpers shared by the HTTP/1.1 client (naming servers) and the HTTP/2 client (collectors).

use std::error::Error as _;

/// The `User-Agent` of every request.
pub(crate) const AGENT_NAME: &str = concat!("rollcall-agent/", env!("CARGO_PKG_VERSION"));

/// The text of the error and of its cause, which holds the detail.
pub(crate) fn with_cause(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
