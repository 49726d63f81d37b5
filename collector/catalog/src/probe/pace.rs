//! The results of an instance's probes, and the time of the next one.

use std::time::Duration;

use rollcall_domain::catalog::Checker;

use super::attempt::Outcome;

/// The equal results in a row, and the interval between two probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    successes: u32,
    failures: u32,
    millis: u64,
}

/// How the next interval is computed: `percent` of the last interval plus the rest of the last probe's duration, from `min` to
/// `max` milliseconds.
struct Terms {
    percent: u64,
    min: u64,
    max: u64,
}

const FIRST: u64 = 2_000;

impl Default for Pace {
    fn default() -> Self {
        Self {
            successes: 0,
            failures: 0,
            millis: FIRST,
        }
    }
}

impl Pace {
    /// Records an outcome. Returns the health that the outcome decides, if any, and the time until the next probe.
    pub(super) fn record(
        &mut self,
        checker: &Checker,
        outcome: Outcome,
        times: u32,
    ) -> (Option<bool>, Duration) {
        let terms = Terms::of(checker);
        let took = match outcome {
            Outcome::Success(took) => u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            Outcome::Soft => self.millis.saturating_mul(2),
            Outcome::Hard => terms.max,
        };
        let took = took.min(terms.max.saturating_mul(2));
        let mixed = (terms.percent * self.millis + (100 - terms.percent) * took) / 100;
        self.millis = mixed.clamp(terms.min, terms.max);
        let decided = match outcome {
            Outcome::Success(_) => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                (self.successes >= times).then_some(true)
            }
            Outcome::Soft | Outcome::Hard => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                let is_certain = outcome == Outcome::Hard || self.failures >= times;
                is_certain.then_some(false)
            }
        };
        (decided, Duration::from_millis(self.millis))
    }
}

impl Terms {
    const fn of(checker: &Checker) -> Self {
        let (percent, min, max) = match checker {
            Checker::Http { .. } => (85, 500, 5_000),
            Checker::Mysql { .. } => (65, 2_000, 3_000),
            Checker::Tcp | Checker::None => (75, 1_000, 5_000),
        };
        Self { percent, min, max }
    }
}
