//! Tasks and time of a collector.
//!
//! * [`TaskSet`]: every task and thread has a name, a set that joins it, and a policy for its end. Nothing runs detached.
//! * [`background`]: a runtime of lower priority for work that must not delay calls.
//! * [`Clock`]: the only reader of a clock. The domain takes `now` as an argument.

#![warn(missing_docs)]

mod background;
mod clock;
mod tasks;

pub use background::background;
pub use clock::Clock;
pub use tasks::{Failure, Name, OnCancel, OnError, Policy, StillRunning, TaskSet, panic_message};
