//! Counts forwarded registrations by outcome.

use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;

use super::error::Error;

/// One counter per outcome, looked up once.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    committed: Counter,
    full: Counter,
    resting: Counter,
    failed: Counter,
    late: Counter,
    left: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            committed: metrics.forwarded("committed"),
            full: metrics.forwarded("full"),
            resting: metrics.forwarded("resting"),
            failed: metrics.forwarded("failed"),
            late: metrics.forwarded("late"),
            left: metrics.forwarded("left"),
        }
    }

    /// Counts this many registrations.
    pub(super) fn count(&self, outcome: Result<(), Error>, registrations: usize) {
        let counter = match outcome {
            Ok(()) => &self.committed,
            Err(Error::Full) => &self.full,
            Err(Error::Resting) => &self.resting,
            Err(Error::Failed) => &self.failed,
            Err(Error::Late) => &self.late,
            Err(Error::Left) => &self.left,
        };
        counter.inc_by(u64::try_from(registrations).unwrap_or(u64::MAX));
    }
}
