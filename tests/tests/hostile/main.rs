//! Tests one hostile or defective peer against the release binary, with a memory limit of 512 MiB.
//!
//! Each test runs one attack while an honest agent uses the same collector. The agent must be able to register and send heartbeats
//! with a bounded delay, the collector must stay alive, its peak memory must stay within its configured budgets, and its resident
//! memory must return to about its start value. [`victim`] checks these promises. Most other modules have one kind of attack each;
//! [`peer`] and [`wire`] have the attackers' clients.

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
