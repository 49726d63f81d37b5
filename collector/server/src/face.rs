//! What all faces share, whichever protocol they speak.
//!
//! * [`Gate`] refuses, before any face, what breaks the rules of HTTP framing and what a foreign web page sends.
//! * [`Dispatch`] chooses the routes of gRPC or of HTTP by the content type.
//! * [`Token`] admits only those who send the secret of the operator.
//! * [`Refusal`] is the one form of an HTTP error: a status, the header `error-message` (upstream's), and the body
//!   `{"error": {"field": ..., "message": ...}}`. [`json`] reads bodies and blames mistakes on the path of a key.
//!
//! A face is a [`Router`](axum::Router) without a fallback, and no two have a route in common, so any of them can be merged
//! where listeners are shared. [`not_found`] is the fallback for what is merged. Which faces there are is not known here.

mod answer;
mod dispatch;
mod gate;
pub mod json;
mod names;
mod refusal;
mod token;

pub use answer::{Answer, JSON, reply};
pub use dispatch::{Dispatch, no_such_service};
pub use gate::Gate;
pub use names::{HostError, Names, host};
pub use refusal::{Refusal, not_found, not_grpc, wrong_method};
pub use token::Token;

/// `path` below `context_path`, as a route. A context path may be written with or without slashes at its ends.
#[must_use]
pub fn below(context_path: &str, path: &str) -> String {
    match context_path.trim_matches('/') {
        "" => path.to_owned(),
        context => format!("/{context}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_path_is_a_prefix_however_its_slashes_are_written() {
        for (context_path, expected) in [
            ("", "/agent/gRPC"),
            ("/", "/agent/gRPC"),
            ("sky", "/sky/agent/gRPC"),
            ("/sky/walking/", "/sky/walking/agent/gRPC"),
        ] {
            assert_eq!(below(context_path, "/agent/gRPC"), expected);
        }
    }
}
