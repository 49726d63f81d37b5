//! The parts that all faces share, for every protocol.
//!
//! * [`Gate`] refuses, before any face, requests that violate HTTP framing or come from a foreign web page.
//! * [`Dispatch`] chooses the routes of gRPC or of HTTP by the content type.
//! * [`Credentials`] admits only operators to the admin face.
//! * [`Messages`] reads the body of a gRPC call, one message at a time.
//! * [`Token`] admits only requests with the operator's secret.
//! * [`Refusal`] is the common form of an HTTP error: a status, the header `error-message` (upstream's), and the body
//!   `{"error": {"field": ..., "message": ...}}`. [`json`] reads bodies and names the path of an invalid key.
//!
//! A face is a [`Router`](axum::Router) without a fallback. No two faces have a common route, so faces that share a listener
//! can be merged; [`not_found`] is the fallback of the merged router. This crate does not know which faces exist.

mod answer;
mod credentials;
mod dispatch;
mod gate;
pub mod json;
mod messages;
mod names;
mod refusal;
mod token;

pub use answer::{AnswerBody, JSON, reply};
pub use credentials::Credentials;
pub use dispatch::{Dispatch, no_such_service};
pub use gate::Gate;
pub use messages::{Broken, Messages, PREFIX, refuse_encoded};
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
