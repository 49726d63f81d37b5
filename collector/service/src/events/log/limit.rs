//! How many lines of one kind are logged in one second. The rest is counted, and the count is one line.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

/// Lines of one kind in one second: a fleet that starts or falls silent at once leaves room in the log for everything else.
const LINES_PER_SECOND: usize = 100;

/// The lines of one kind in the current second. Approximate when a second begins.
#[derive(Debug, Default)]
pub(super) struct Limit {
    second: AtomicI64,
    lines: AtomicUsize,
}

impl Limit {
    /// Whether one more line is logged in this second.
    pub(super) fn admits(&self, second: i64) -> bool {
        self.second.store(second, Relaxed);
        self.lines.fetch_add(1, Relaxed) < LINES_PER_SECOND
    }

    /// How many lines were left out, once their second is over; 0 after that, until more are.
    pub(super) fn left_out(&self, second: i64) -> usize {
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
            assert_eq!(limit.left_out(7), 0);
            assert!(limit.admits(7));
        }
        for _ in 0..250 {
            assert!(!limit.admits(7));
        }
        assert_eq!(limit.left_out(7), 0, "its second is not over");
        assert_eq!(limit.left_out(8), 250);
        assert!(limit.admits(8));
        assert_eq!(limit.left_out(9), 0);
    }
}
