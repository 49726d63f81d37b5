//! Stray signs of life: they carry the id of an instance whose own agent uses no ids. They are refused and counted, and
//! published at a limited rate.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;
use tokio::time::Instant;

/// The pause between two events, so that many stray signs do not displace other events from the feed.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts stray signs of life.
pub(super) struct Strays {
    refused: Counter,
    start: Instant,
    /// The earliest time of the next event, in milliseconds since the start.
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

    /// Counts one sign. Returns whether to publish it.
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
