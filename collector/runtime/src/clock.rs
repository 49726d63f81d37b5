//! The one place that reads a clock.

use std::time::{Duration, SystemTime};

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
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let before = Instant::now();
        let result = work();
        (result, before.elapsed())
    }

    /// The wall time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        timestamp(since_epoch())
    }

    /// What the wall clock showed, or would have shown as it is set now, at `moment`. The same for one moment as long as
    /// nobody sets the clock.
    #[must_use]
    pub fn wall_at(&self, moment: Moment) -> Timestamp {
        let start = self.wall_at_start().millis();
        Timestamp::from_millis(start.saturating_add(moment.millis()))
    }

    /// The moment at which the wall clock showed `wall`, or is going to, as [`Clock::wall_at`] tells it.
    #[must_use]
    pub fn moment_of(&self, wall: Timestamp) -> Moment {
        let start = self.wall_at_start().millis();
        Moment::from_millis(wall.millis().saturating_sub(start))
    }

    /// What both clocks show is taken off each other before it is rounded, so that it comes out the same every time.
    fn wall_at_start(&self) -> Timestamp {
        let start = since_epoch().saturating_sub(self.start.elapsed());
        timestamp(start + Duration::from_micros(500))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everybody else is given"
)]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
