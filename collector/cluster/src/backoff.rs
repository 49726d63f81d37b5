//! The pause before the next attempt to reach the coordinator.

use std::time::Duration;

/// Full-jitter exponential backoff: the n-th pause is uniform between zero and [`FIRST`]` * 2^n`, at most [`LONGEST`]. Jitter
/// spreads the reconnects of collectors that lost their coordinator at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
}

/// The bound of the first pause.
const FIRST: Duration = Duration::from_millis(50);
/// The bound of every pause. It is short, because a lease that is not renewed in time ends.
const LONGEST: Duration = Duration::from_secs(1);

impl Backoff {
    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        self.drawn(fastrand::u64(..))
    }

    fn drawn(&mut self, random: u64) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.attempt.min(16)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(random % (nanos + 1))
    }

    /// The coordinator answered: the next pause uses the first bound.
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_again_after_a_success() {
        let mut backoff = Backoff::default();
        assert!((0..100).all(|_| backoff.drawn(u64::MAX) <= LONGEST));
        assert_eq!(backoff.drawn(1_000_000_000), LONGEST);
        backoff.reset();
        assert_eq!(backoff.drawn(50_000_000), FIRST);
        assert_eq!(backoff.drawn(100_000_000), FIRST * 2);
        assert_eq!(backoff.drawn(0), Duration::ZERO);
    }
}
