//! Limits how often errors of one kind are logged.

use std::time::Duration;

/// Lets the first error pass, then at most one per period, and counts the suppressed errors.
#[derive(Debug)]
pub(crate) struct Throttle {
    period: Duration,
    passed_at: Option<Duration>,
    held_back: u64,
}

impl Throttle {
    pub(crate) fn every(period: Duration) -> Self {
        Self {
            period,
            passed_at: None,
            held_back: 0,
        }
    }

    /// `None` if the error must not be logged now; otherwise the number of errors that were suppressed since the last logged one.
    pub(crate) fn pass(&mut self, now: Duration) -> Option<u64> {
        if self
            .passed_at
            .is_some_and(|at| now.saturating_sub(at) < self.period)
        {
            self.held_back += 1;
            return None;
        }
        self.passed_at = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_period_is_logged_with_the_number_of_suppressed_errors() {
        let mut throttle = Throttle::every(Duration::from_secs(60));
        let passes = [0, 1, 59, 60, 61, 200].map(|s| throttle.pass(Duration::from_secs(s)));
        assert_eq!(passes, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
