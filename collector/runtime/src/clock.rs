//! The collector's only reader of wall time.

use std::time::{Duration, SystemTime};

use rollcall_domain::{Moment, Timestamp};
use tokio::time::Instant;

/// The collector's clock: monotonic time for decisions, wall time for display.
///
/// The monotonic part is tokio's, so a test with paused time controls it.
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

    /// The monotonic time since the start.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_millis(0).after(self.start.elapsed())
    }

    /// Runs `work`, and returns how long it took.
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

    /// The wall time at `moment`, by the wall clock's present setting. Results for one `moment` differ by at most a millisecond
    /// until the wall clock is set or slewed.
    #[must_use]
    pub fn wall_at(&self, moment: Moment) -> Timestamp {
        let start = self.wall_at_start().millis();
        Timestamp::from_millis(start.saturating_add(moment.millis()))
    }

    /// The moment at which the wall clock shows `wall`: the inverse of [`Clock::wall_at`].
    #[must_use]
    pub fn moment_of(&self, wall: Timestamp) -> Moment {
        let start = self.wall_at_start().millis();
        Moment::from_millis(wall.millis().saturating_sub(start))
    }

    /// The wall time at the start. Rounds the difference of the clocks once, instead of rounding each clock, so that the result
    /// hardly varies.
    fn wall_at_start(&self) -> Timestamp {
        let start = since_epoch().saturating_sub(self.start.elapsed());
        timestamp(start + Duration::from_micros(500))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "all other code reads time through this clock"
)]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
