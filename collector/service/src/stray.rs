//! Signs of life with an id that their sender's agent was never told: refused, counted, and published now and then.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;
use tokio::time::Instant;

/// Between two events, so that many signs leave other events in the feed.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts them.
pub(super) struct Strays {
    refused: Counter,
    start: Instant,
    /// When the next one is published, in milliseconds from the start.
    next: AtomicI64,
}

impl Strays {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            refused: metrics.dropped("signals_with_an_id_of_an_agent_without_ids"),
            start: Instant::now(),
            next: AtomicI64::new(0),
        }
    }

    /// Counts one; whether it is to be published.
    pub(super) fn observe(&self) -> bool {
        self.refused.inc();
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (now, pause) = (millis(self.start.elapsed()), millis(PAUSE));
        let next = |next| (next <= now).then_some(now + pause);
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

impl fmt::Debug for Strays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strays").finish_non_exhaustive()
    }
}
