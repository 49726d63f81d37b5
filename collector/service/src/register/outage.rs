//! A transient outage of the store: the operations that fail, and the time of the next retry.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// An operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Reads the records of other collectors.
    Read,
    /// Commits a batch.
    Write,
}

/// The operations that failed and have not succeeded since. Success of one operation says nothing about the other: an etcd without
/// space answers every read and refuses every write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    reads: bool,
    writes: bool,
    /// Whether the last cause is a full store.
    is_full: bool,
    retry_at: Instant,
    pause: Duration,
}

impl Outage {
    /// The outage after `operation` failed during the outage `before`, perhaps because the store is full.
    pub(super) fn after(before: Option<Self>, operation: Operation, is_full: bool) -> Self {
        let (first, longest) = PAUSES;
        let pause = before.map_or(first, |before| (before.pause * 2).min(longest));
        let had = |failed: fn(&Self) -> bool| before.as_ref().is_some_and(failed);
        Self {
            reads: operation == Operation::Read || had(|before| before.reads),
            writes: operation == Operation::Write || had(|before| before.writes),
            is_full,
            retry_at: Instant::now() + pause,
            pause,
        }
    }

    /// The rest of the outage after `operation` succeeded.
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

    /// The answer to the calls that wait.
    pub(super) const fn refusal(&self) -> Error {
        match self.is_full {
            true => Error::StoreFull,
            false => Error::StoreUnavailable,
        }
    }

    /// The time of the next attempt.
    pub(super) const fn retry_at(&self) -> Instant {
        self.retry_at
    }

    /// Whether the next attempt is still in the future.
    pub(super) fn is_backing_off(&self) -> bool {
        Instant::now() < self.retry_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_operation_that_failed_ends_the_outage() {
        let outage = Outage::after(None, Operation::Write, true);
        assert!(outage.without(Operation::Read).is_some());
        assert!(outage.without(Operation::Write).is_none());
        let both = Outage::after(Some(outage), Operation::Read, false);
        let reads = both.without(Operation::Write).unwrap();
        assert!(!reads.needs_write());
        assert!(reads.without(Operation::Read).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_two_seconds() {
        let start = Instant::now();
        let mut outage = None;
        for millis in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let next = Outage::after(outage, Operation::Read, false);
            assert_eq!(next.retry_at() - start, Duration::from_millis(millis));
            outage = Some(next);
        }
    }
}
