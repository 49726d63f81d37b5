//! The integration harness: real collectors, engines and agents, and clients that behave like agents and operators.
//!
//! Everything here is for tests, so it fails by panicking, with a message that states the expected and the actual result. No test
//! relies on a sleep: tests await a log line, an exit or a reply, and poll other conditions with [`eventually`]. Both have a
//! deadline. Every process listens on 127.0.0.1 at a port chosen by the system, has its own temporary directory, and is killed by
//! its process id when its value is dropped.

pub mod agent;
pub mod application;
pub mod bench;
pub mod browser;
pub mod cluster;
pub mod conformance;
pub mod console;
pub mod documents;
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
pub mod results;

pub use poll::{eventually, until};

/// The longest time that a test waits for an effect that should be immediate. It is long enough for a busy machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
