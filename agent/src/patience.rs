//! Decides when the agent leaves a collector that keeps refusing names.
//!
//! Such a collector still accepts heartbeats, and other collectors may refuse names as well: while a shared store is unavailable,
//! all of them do. So the agent stays for minutes, and after each move without an answer for twice as long as before.

use std::time::Duration;

/// The most doublings.
const MOST_DOUBLINGS: u32 = 4;

/// How long refusals are borne.
#[derive(Debug)]
pub(crate) struct Patience {
    first: Duration,
    /// The moves since names were last answered.
    moves: u32,
}

impl Patience {
    /// Patience that first lasts for `first`.
    pub(crate) fn of(first: Duration) -> Self {
        Self { first, moves: 0 }
    }

    /// Whether the agent is to leave a collector that has refused names for `time`.
    pub(crate) fn is_over(&self, time: Duration) -> bool {
        time >= self.first * (1 << self.moves.min(MOST_DOUBLINGS))
    }

    /// The agent leaves the collector.
    pub(crate) fn left(&mut self) {
        self.moves = self.moves.saturating_add(1);
    }

    /// A collector answered all requests for names.
    pub(crate) fn answered(&mut self) {
        self.moves = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_move_without_an_answer_doubles_the_patience_up_to_sixteen_times() {
        let mut patience = Patience::of(Duration::from_secs(1));
        for seconds in [1, 2, 4, 8, 16, 16, 16] {
            assert!(!patience.is_over(Duration::from_millis(seconds * 1_000 - 1)));
            assert!(patience.is_over(Duration::from_secs(seconds)));
            patience.left();
        }
        patience.answered();
        assert!(patience.is_over(Duration::from_secs(1)));
    }
}
