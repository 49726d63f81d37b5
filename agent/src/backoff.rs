//! The pause before a retry.

use std::time::Duration;

/// Full-jitter exponential backoff: the n-th pause is uniformly distributed between zero and the smaller of `base * 2^n` and `cap`.
///
/// Full jitter spreads the reconnects of a fleet whose agents lost their collector at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// A backoff whose first bound is a thirtieth of `cap`: one second for upstream's 30 s.
    pub(crate) fn below(cap: Duration) -> Self {
        Self {
            base: (cap / 30).max(Duration::from_millis(1)),
            cap,
            attempt: 0,
        }
    }

    /// The next pause; `random` selects a value between zero and the current bound.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let doubled = self.base.saturating_mul(1 << self.attempt.min(16));
        self.attempt = self.attempt.saturating_add(1);
        let bound = u64::try_from(doubled.min(self.cap).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(random % bound.saturating_add(1).max(1))
    }

    /// Resets the pause after an operation that succeeded and lasted for `time`, if that is at least the longest pause. So a peer
    /// that accepts each attempt and ends it early is not tried again and again after the shortest pause.
    pub(crate) fn served(&mut self, time: Duration) {
        if time >= self.cap {
            self.reset();
        }
    }

    /// The operation succeeded: the next pause uses the first bound.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_never_longer_than_the_cap(cap_ms in 1_u64..100_000, draws in prop::collection::vec(any::<u64>(), 1..64)) {
            let cap = Duration::from_millis(cap_ms);
            let mut backoff = Backoff::below(cap);
            for random in draws {
                prop_assert!(backoff.next(random) <= cap);
            }
        }
    }

    #[test]
    fn bounds_double_up_to_the_cap_and_start_over_after_a_reset() {
        let bound =
            |backoff: &mut Backoff, seconds: u64| backoff.next(seconds * 1_000_000_000).as_secs();
        let mut backoff = Backoff::below(Duration::from_secs(30));
        assert_eq!(
            [1, 2, 4, 8, 16, 30, 30].map(|s| bound(&mut backoff, s)),
            [1, 2, 4, 8, 16, 30, 30]
        );
        backoff.reset();
        assert_eq!(bound(&mut backoff, 1), 1);
    }

    #[test]
    fn a_short_success_does_not_reset_the_backoff() {
        let mut backoff = Backoff::below(Duration::from_secs(30));
        let next_after = |served| {
            backoff.served(Duration::from_secs(served));
            backoff.next(4_000_000_000).as_secs()
        };
        assert_eq!([0, 29, 29, 30].map(next_after), [0, 1, 4, 0]);
    }
}
