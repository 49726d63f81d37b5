//! The two clocks of an agent. The agent decides by the monotonic clock; it uses the wall clock only in reports.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock that counts from its creation.
///
/// It reads the operating system's clock, not a runtime's, because the agent's callers may run in a runtime with paused time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "only this function reads the monotonic clock"
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
    reason = "only this function reads the wall clock"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The wall clock in the unit of the protocol: milliseconds since the Unix epoch; 0 if the clock is set before the epoch.
pub(crate) fn wall_millis() -> i64 {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
