//! The one place that reads a clock.

use std::time::SystemTime;

use rollcall_domain::{Moment, Timestamp};
use tokio::time::Instant;

/// The collector's clock: monotonic for decisions, wall time for what people read.
///
/// The monotonic part is tokio's, so a test with paused time moves it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose [`Moment`] 0 is now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// How far the monotonic clock has come since the start.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_millis(0).after(self.start.elapsed())
    }

    /// Does `work`, and says how long that took.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> (T, std::time::Duration) {
        let before = Instant::now();
        let result = work();
        (result, before.elapsed())
    }

    /// The wall time.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else is given"
    )]
    pub fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// What the wall clock showed, or would have shown as it is set now, at `moment`.
    #[must_use]
    pub fn wall_at(&self, moment: Moment) -> Timestamp {
        let offset = moment.millis() - self.now().millis();
        Timestamp::from_millis(self.wall().millis().saturating_add(offset))
    }
}
