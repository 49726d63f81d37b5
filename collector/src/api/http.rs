//! HTTP/JSON: where collectors are ([`naming()`]), registration for agents that do not speak gRPC ([`registration()`]),
//! and what people and their tools ask ([`admin()`]).
//!
//! Each face is a [`Router`](axum::Router) of its own without a fallback, and no two have a route in common, so any of
//! them can be merged where listeners are shared. [`not_found`] is the fallback for what is merged.
//!
//! Paths, keys and answers of the first two are upstream's (proto/docs/skywalking.md section 2). Whatever goes wrong is
//! told in one form by all three: a status, the header `error-message` (upstream's), and the body
//! `{"error": {"field": ..., "message": ...}}`. Where upstream answers a mistake with 500, these answer 400 or 405.

use std::time::Duration;

mod admin;
mod gate;
mod json;
mod names;
mod naming;
mod refusal;
mod registration;
mod starting;

pub use admin::{Places, router as admin};
pub use gate::Gate;
pub use names::Names;
pub use naming::{FastPath, router as naming};
pub use refusal::{not_found, not_grpc};
pub use registration::router as registration;
pub use starting::router as starting;

/// What clients may ask of these faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes; a larger one is refused with 413.
    pub max_body_size: usize,
    /// How long a request body may take to arrive; a slower one is refused with 408.
    pub body_timeout: Duration,
    /// Subscribers of `/api/events` at a time; one more is refused with 503.
    pub max_event_subscribers: usize,
    /// Lists of the query API that are read at a time; one more request waits for its turn.
    pub max_concurrent_lists: usize,
}

impl Default for Limits {
    /// 50 MiB as over gRPC, because agents send whole dictionaries; 30 s; 64 subscribers; 4 lists.
    fn default() -> Self {
        Self {
            max_body_size: 50 << 20,
            body_timeout: Duration::from_secs(30),
            max_event_subscribers: 64,
            max_concurrent_lists: 4,
        }
    }
}

/// `path` below `context_path`, as a route. A context path may be written with or without slashes at its ends.
fn below(context_path: &str, path: &str) -> String {
    match context_path.trim_matches('/') {
        "" => path.to_owned(),
        context => format!("/{context}{path}"),
    }
}

#[cfg(test)]
mod tests;
