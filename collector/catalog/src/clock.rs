//! The time, as the composition root provides it.

use std::fmt;

use rollcall_domain::{Moment, Timestamp};

/// What time it is: a monotonic clock that decides, and a wall clock that people and clients read.
pub trait Clock: fmt::Debug + Send + Sync {
    /// How far the monotonic clock has come.
    fn now(&self) -> Moment;

    /// The wall time.
    fn wall(&self) -> Timestamp;
}
