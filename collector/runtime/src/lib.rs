//! Tasks and time of a collector.
//!
//! * [`TaskSet`]: every task and thread has a name, a set that joins it, and a policy for its end. Nothing runs detached.
//! * [`Clock`]: the only reader of a clock. The domain takes `now` as an argument.

#![warn(missing_docs)]

mod clock;
mod tasks;

pub use clock::Clock;
pub use tasks::{Failure, Name, OnCancel, OnError, Policy, StillRunning, TaskSet, panic_message};
