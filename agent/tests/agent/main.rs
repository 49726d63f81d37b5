//! The agent against naming servers and collectors that fail as each test requires, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like tests; clippy knows only the test functions themselves"
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
