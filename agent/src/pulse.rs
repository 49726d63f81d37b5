//! The watchdog of the background loop.
//!
//! No second thread watches the background thread. A stalled loop detects the stall when it runs again. Until then, calls of the
//! application for the status or for an unknown id detect it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// The time of the loop's last iteration, shared by the loop and its callers.
#[derive(Debug)]
pub(crate) struct Pulse {
    period: Duration,
    last_millis: AtomicU64,
    is_reported: AtomicBool,
}

impl Pulse {
    pub(crate) fn every(period: Duration) -> Self {
        Self {
            period,
            last_millis: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
        }
    }

    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// Records an iteration. Returns the length of the stall before it, if no caller has reported it.
    pub(crate) fn beat(&self, now: Duration) -> Option<Duration> {
        let late = self.late(now);
        self.last_millis.store(millis(now), Ordering::Relaxed);
        let was_reported = self.is_reported.swap(false, Ordering::Relaxed);
        late.filter(|_| !was_reported)
    }

    /// The time since the last iteration, if it is longer than two periods: the loop is stalled.
    pub(crate) fn late(&self, now: Duration) -> Option<Duration> {
        let since = now.saturating_sub(Duration::from_millis(
            self.last_millis.load(Ordering::Relaxed),
        ));
        (since > self.period * 2).then_some(since)
    }

    /// As [`late`](Self::late), but returns the time only to the first caller in each stall, which then reports the stall.
    pub(crate) fn first_to_notice(&self, now: Duration) -> Option<Duration> {
        let late = self.late(now)?;
        (!self.is_reported.swap(true, Ordering::Relaxed)).then_some(late)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_running_loop_is_not_late() {
        let pulse = Pulse::every(s(3));
        assert_eq!([3, 6, 12].map(|t| pulse.beat(s(t))), [None; 3]);
        assert_eq!(pulse.late(s(18)), None);
    }

    #[test]
    fn only_the_first_caller_reports_a_stall() {
        let pulse = Pulse::every(s(3));
        assert_eq!(pulse.first_to_notice(s(7)), Some(s(7)));
        assert_eq!(pulse.first_to_notice(s(8)), None);
        assert_eq!(pulse.late(s(8)), Some(s(8)));
        assert_eq!(pulse.beat(s(9)), None, "reported already");
        assert_eq!(
            pulse.beat(s(20)),
            Some(s(11)),
            "no caller has observed the stall, so the loop reports it"
        );
        assert_eq!(
            pulse.first_to_notice(s(27)),
            Some(s(7)),
            "the next stall is a new one"
        );
    }
}
