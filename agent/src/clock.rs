//! The two clocks of an agent: decisions use the monotonic clock; the wall clock is only reported.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since a start.
///
/// It reads the operating system's clock and not a runtime's, because the agent's callers may run in a runtime with paused time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the monotonic clock"
    )]
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The wall clock, for the status and for timestamps in messages.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The wall clock in the wire's unit: milliseconds since the epoch, 0 for a clock before it.
pub(crate) fn wall_millis() -> i64 {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
