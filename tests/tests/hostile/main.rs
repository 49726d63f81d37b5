//! One hostile or unlucky peer against the release binary, under a memory limit of 512 MiB.
//!
//! Each test runs one attack beside an honest agent. The agent must keep registering and beating with a bounded delay, the
//! collector must stay alive, its peak memory must stay within its configured budgets, and its resident memory must return
//! to the neighbourhood of where it started. [`victim`] holds those promises; each other module is one kind of attack.

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
