//! The integration harness: real collectors, real engines and agents, and clients that speak to them as agents and operators do.
//!
//! Everything here is for tests, so it fails by panicking, with a message that says what was awaited and what was there
//! instead. Nothing sleeps and hopes: what can be awaited (a log line, an exit, a reply) is awaited, what can only be
//! asked for is polled with [`eventually`], and both have a deadline. Every process listens on 127.0.0.1 at a port that
//! the system chose, has its own temporary directory, and is killed, by its own process id, when its value is dropped.

pub mod agent;
pub mod application;
pub mod cluster;
pub mod conformance;
pub mod engine;
pub mod grpc;
pub mod history;
pub mod http;
pub mod key;
pub mod nacos;
mod poll;
pub mod process;
pub mod proxy;
pub mod query;

pub use poll::{eventually, until};

/// How long a test waits for something that should happen at once: long enough for a machine that is busy with other tests.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
