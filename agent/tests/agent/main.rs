//! Tests the agent over real sockets, with fake naming servers and collectors that fail as each test requires.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers fail like tests; clippy recognises only the test functions themselves"
)]

mod channel;
mod dictionaries;
mod discovery;
mod examples;
mod fake;
mod harness;
mod registration;
mod shutdown;
mod start;
