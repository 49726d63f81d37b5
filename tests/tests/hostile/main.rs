//! Tests one hostile or defective peer against the release binary, with a memory limit of 512 MiB.
//!
//! Each test runs one attack beside an honest agent. The agent must keep registering and sending heartbeats with a bounded
//! delay, the collector must stay alive, its peak memory must stay within its configured budgets, and its resident memory must
//! return to about its start value. [`victim`] checks these promises; each other module has one kind of attack.

mod answers;
mod baseline;
mod batches;
mod browser;
mod descriptors;
mod drain;
mod framing;
mod inventory;
mod log;
mod mentions;
mod peer;
mod rates;
mod streams;
mod victim;
mod window;
mod wire;
