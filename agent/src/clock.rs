//! The two times an agent knows: a monotonic one that decides, and the wall clock, which is only told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time as the time passed since a start.
///
/// The operating system's clock and not a runtime's: the agent's callers may stand in a runtime whose time is paused.
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

/// The wall clock, for what is shown to people and told to collectors.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The wall clock as the wire has it: milliseconds since the epoch, 0 if the clock stands before it.
pub(crate) fn wall_millis() -> i64 {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
