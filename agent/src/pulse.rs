//! The watchdog: is the background loop still turning?
//!
//! There is no second thread to watch the first. The loop itself notices, when it turns again, that it was late; and
//! while it does not turn, whoever asks for the status, or for an id that is not known yet, notices for it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// The last turn of the loop, as the loop and its callers see it.
#[derive(Debug)]
pub(crate) struct Pulse {
    period: Duration,
    last_millis: AtomicU64,
    told: AtomicBool,
}

impl Pulse {
    pub(crate) fn every(period: Duration) -> Self {
        Self {
            period,
            last_millis: AtomicU64::new(0),
            told: AtomicBool::new(false),
        }
    }

    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// The loop turned. Answers how long it had not, if that was two periods and nobody has told it yet.
    pub(crate) fn beat(&self, now: Duration) -> Option<Duration> {
        let late = self.late(now);
        self.last_millis.store(millis(now), Ordering::Relaxed);
        let told = self.told.swap(false, Ordering::Relaxed);
        late.filter(|_| !told)
    }

    /// Has the loop not turned for two periods?
    pub(crate) fn late(&self, now: Duration) -> Option<Duration> {
        let since = now.saturating_sub(Duration::from_millis(
            self.last_millis.load(Ordering::Relaxed),
        ));
        (since > self.period * 2).then_some(since)
    }

    /// The same, but each time it happens only one caller gets an answer: the one to tell it.
    pub(crate) fn first_to_notice(&self, now: Duration) -> Option<Duration> {
        let late = self.late(now)?;
        (!self.told.swap(true, Ordering::Relaxed)).then_some(late)
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
    fn a_loop_that_turns_is_not_late() {
        let pulse = Pulse::every(s(3));
        assert_eq!([3, 6, 12].map(|t| pulse.beat(s(t))), [None; 3]);
        assert_eq!(pulse.late(s(18)), None);
    }

    #[test]
    fn a_stall_is_told_once_by_whoever_notices_first() {
        let pulse = Pulse::every(s(3));
        assert_eq!(pulse.first_to_notice(s(7)), Some(s(7)));
        assert_eq!(pulse.first_to_notice(s(8)), None);
        assert_eq!(pulse.late(s(8)), Some(s(8)));
        assert_eq!(pulse.beat(s(9)), None, "told already");
        assert_eq!(
            pulse.beat(s(20)),
            Some(s(11)),
            "nobody looked, so the loop tells it"
        );
        assert_eq!(
            pulse.first_to_notice(s(27)),
            Some(s(7)),
            "the next stall is a new one"
        );
    }
}
