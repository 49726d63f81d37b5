//! The time, as the composition root provides it.

use std::fmt;

use rollcall_domain::{Moment, Timestamp};

/// A monotonic clock for decisions, and a wall clock for times that operators and clients see.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time on the monotonic clock.
    fn now(&self) -> Moment;

    /// The wall time.
    fn wall(&self) -> Timestamp;
}
