//! The usual interval between two signals of an instance, learned from its signals.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The longest recent gap between two signals, and the last gap if it was longer than the configured term, in one word.
///
/// A longer gap replaces the usual interval at once, unless the instance was down by then: a suspended process or a network failure
/// is not the usual pace. A gap longer than the term for down counts only once another one of about the same length follows. The
/// interval shrinks while signals come more often ([`Pace::decay`]).
///
/// Updates may race harmlessly: one of two observations may be lost, and the next ones correct that.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

/// Milliseconds; 31 bits are 24 days.
#[derive(Clone, Copy)]
struct Observed {
    usual: u32,
    /// The last gap, if it was longer than the term; else 0.
    long: u32,
    /// Whether such a gap followed another one of about the same length.
    repeats: bool,
}

impl Pace {
    pub(super) fn new(usual: Duration) -> Self {
        let word = Observed {
            usual: millis(usual),
            long: 0,
            repeats: false,
        };
        Self(AtomicU64::new(word.pack()))
    }

    /// The usual interval; zero if none was observed.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_millis(self.load().usual.into())
    }

    /// Whether signals repeatedly come less often than this term.
    pub(super) fn is_slower_than(&self, term: Duration) -> bool {
        let Observed { usual, repeats, .. } = self.load();
        repeats && usual > millis(term)
    }

    /// Records a gap between two signals. `term` is the configured term; `was_down` is whether the instance was down when the
    /// second signal arrived.
    #[inline]
    pub(super) fn observe(&self, gap: Duration, was_down: bool, term: Duration) {
        let before = self.load();
        let is_long = gap > term;
        let gap = millis(gap);
        if gap <= before.usual && !is_long && before.long == 0 {
            return;
        }
        let is_alike = is_long && gap / 2 <= before.long && before.long / 2 <= gap;
        let counts = match (was_down, is_alike) {
            (false, _) => gap,
            (true, true) => gap.min(before.long),
            (true, false) => 0,
        };
        self.store(Observed {
            usual: before.usual.max(counts),
            long: if is_long { gap } else { 0 },
            repeats: before.repeats || is_alike,
        });
    }

    /// Records the interval that another collector or an earlier run of this one observed.
    pub(super) fn learn(&self, usual: Duration) {
        let before = self.load();
        self.store(Observed {
            usual: before.usual.max(millis(usual)),
            ..before
        });
    }

    /// Copies the observations of `other`.
    pub(super) fn replace(&self, other: &Self) {
        self.store(other.load());
    }

    /// Reduces the usual interval by this much.
    pub(super) fn decay(&self, by: Duration) {
        let before = self.load();
        self.store(Observed {
            usual: before.usual.saturating_sub(millis(by)),
            ..before
        });
    }

    #[inline]
    fn load(&self) -> Observed {
        Observed::unpack(self.0.load(Relaxed))
    }

    fn store(&self, observed: Observed) {
        self.0.store(observed.pack(), Relaxed);
    }
}

/// The flag above the bits of a long gap: it repeats.
const REPEATS: u32 = 1 << 31;

impl Observed {
    fn pack(self) -> u64 {
        let flag = if self.repeats { REPEATS } else { 0 };
        u64::from(self.long | flag) << 32 | u64::from(self.usual)
    }

    fn unpack(word: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        let high = u32::from_le_bytes([e, f, g, h]);
        Self {
            usual: u32::from_le_bytes([a, b, c, d]),
            long: high & !REPEATS,
            repeats: high & REPEATS != 0,
        }
    }
}

fn millis(duration: Duration) -> u32 {
    let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    millis.min(REPEATS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const TERM: Duration = seconds(120);

    #[test]
    fn a_longer_gap_counts_at_once_and_fades_while_signals_come_more_often() {
        let pace = Pace::default();
        for gap in [1, 180, 2] {
            pace.observe(seconds(gap), false, TERM);
        }
        assert_eq!(pace.usual(), seconds(180));
        (0..4).for_each(|_| pace.decay(seconds(10)));
        assert_eq!(pace.usual(), seconds(140));
        pace.decay(seconds(999));
        assert_eq!(pace.usual(), Duration::ZERO);
    }

    #[test]
    fn one_long_absence_is_not_the_usual_pace_but_two_similar_ones_are() {
        let pace = Pace::new(seconds(60));
        for (gap, was_down) in [(7_200, true), (61, false), (7_200, true), (600, true)] {
            pace.observe(seconds(gap), was_down, TERM);
        }
        assert_eq!(pace.usual(), seconds(61));
        pace.observe(seconds(610), true, TERM);
        assert_eq!(pace.usual(), seconds(600));
    }

    #[test]
    fn an_agent_is_slow_once_a_gap_beyond_the_term_repeats() {
        let pace = Pace::default();
        for gap in [180, 10, 185, 30] {
            pace.observe(seconds(gap), false, TERM);
            assert!(!pace.is_slower_than(TERM), "{gap}");
        }
        pace.observe(seconds(180), false, TERM);
        pace.observe(seconds(181), false, TERM);
        assert!(pace.is_slower_than(TERM));
        pace.decay(seconds(100));
        assert!(!pace.is_slower_than(TERM));
    }

    #[test]
    fn an_interval_beyond_the_range_is_clamped() {
        let pace = Pace::default();
        pace.observe(Duration::MAX, false, TERM);
        assert_eq!(pace.usual(), Duration::from_millis((REPEATS - 1).into()));
    }
}
