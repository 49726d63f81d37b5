//! Counts forwarded registrations by outcome.

use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;

use super::error::Error;

/// One counter per outcome, looked up once.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    committed: Counter,
    full: Counter,
    backing_off: Counter,
    failed: Counter,
    timed_out: Counter,
    member_left: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            committed: metrics.forwarded("committed"),
            full: metrics.forwarded("full"),
            backing_off: metrics.forwarded("backing_off"),
            failed: metrics.forwarded("failed"),
            timed_out: metrics.forwarded("timed_out"),
            member_left: metrics.forwarded("member_left"),
        }
    }

    /// Counts this many registrations.
    pub(super) fn count(&self, outcome: Result<(), Error>, registrations: usize) {
        let counter = match outcome {
            Ok(()) => &self.committed,
            Err(Error::Full) => &self.full,
            Err(Error::BackingOff) => &self.backing_off,
            Err(Error::Failed) => &self.failed,
            Err(Error::TimedOut) => &self.timed_out,
            Err(Error::MemberLeft) => &self.member_left,
        };
        counter.inc_by(u64::try_from(registrations).unwrap_or(u64::MAX));
    }
}
