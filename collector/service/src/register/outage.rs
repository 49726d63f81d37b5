//! A store that fails for now: which of its operations do, and when the writer tries them again.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause between two attempts, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What the writer asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// To read what other collectors wrote.
    Read,
    /// To commit a batch.
    Write,
}

/// The operations that failed and have not succeeded since. The success of one says nothing about the other: an etcd without
/// space answers every read and refuses every write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    reads: bool,
    writes: bool,
    retry_at: Instant,
    pause: Duration,
}

impl Outage {
    /// The outage after `operation` failed, given the one before.
    pub(super) fn after(before: Option<Self>, operation: Operation) -> Self {
        let (first, longest) = PAUSES;
        let pause = before.map_or(first, |before| (before.pause * 2).min(longest));
        let had = |failed: fn(&Self) -> bool| before.as_ref().is_some_and(failed);
        Self {
            reads: operation == Operation::Read || had(|before| before.reads),
            writes: operation == Operation::Write || had(|before| before.writes),
            retry_at: Instant::now() + pause,
            pause,
        }
    }

    /// What is left of the outage after `operation` succeeded.
    pub(super) fn without(mut self, operation: Operation) -> Option<Self> {
        match operation {
            Operation::Read => self.reads = false,
            Operation::Write => self.writes = false,
        }
        (self.reads || self.writes).then_some(self)
    }

    /// Whether a write failed, so that only a write can end the outage.
    pub(super) const fn needs_write(&self) -> bool {
        self.writes
    }

    /// When the store is tried next.
    pub(super) const fn retry_at(&self) -> Instant {
        self.retry_at
    }

    /// Whether that is still to come.
    pub(super) fn is_backing_off(&self) -> bool {
        Instant::now() < self.retry_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_operation_that_failed_ends_the_outage() {
        let outage = Outage::after(None, Operation::Write);
        assert!(outage.without(Operation::Read).is_some());
        assert!(outage.without(Operation::Write).is_none());
        let both = Outage::after(Some(outage), Operation::Read);
        let reads = both.without(Operation::Write).unwrap();
        assert!(!reads.needs_write());
        assert!(reads.without(Operation::Read).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_two_seconds() {
        let start = Instant::now();
        let mut outage = None;
        for millis in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let next = Outage::after(outage, Operation::Read);
            assert_eq!(next.retry_at() - start, Duration::from_millis(millis));
            outage = Some(next);
        }
    }
}
