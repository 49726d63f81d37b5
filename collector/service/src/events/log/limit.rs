//! Limits the log lines of one kind per second. Suppressed lines are counted, and the count is logged as one line.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

/// Lines of one kind in one second, so that a fleet that starts or falls silent at once leaves room for other lines.
const LINES_PER_SECOND: usize = 100;

/// The lines of one kind in the current second. Approximate when a second begins.
#[derive(Debug, Default)]
pub struct Limit {
    second: AtomicI64,
    lines: AtomicUsize,
}

impl Limit {
    /// Whether one more line is logged in this second.
    #[must_use]
    pub fn admits(&self, second: i64) -> bool {
        self.second.store(second, Relaxed);
        self.lines.fetch_add(1, Relaxed) < LINES_PER_SECOND
    }

    /// The number of lines that were suppressed in a past second, and resets it; 0 during that second.
    #[must_use]
    pub fn take_suppressed(&self, second: i64) -> usize {
        if self.second.swap(second, Relaxed) == second {
            return 0;
        }
        let lines = self.lines.swap(0, Relaxed);
        lines.saturating_sub(LINES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted_once_their_second_is_over() {
        let limit = Limit::default();
        for _ in 0..LINES_PER_SECOND {
            assert_eq!(limit.take_suppressed(7), 0);
            assert!(limit.admits(7));
        }
        for _ in 0..250 {
            assert!(!limit.admits(7));
        }
        assert_eq!(limit.take_suppressed(7), 0, "its second is not over");
        assert_eq!(limit.take_suppressed(8), 250);
        assert!(limit.admits(8));
        assert_eq!(limit.take_suppressed(9), 0);
    }
}
