//! Stray signs of life: signs that another process sent with the id of an instance. Either the instance's own agent uses no ids, or
//! the sign names an application that the instance does not belong to. They are refused and counted, and published at a limited
//! rate.

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

/// Why a sign of life is stray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The agent of the instance uses no ids.
    NoIds,
    /// The sign names an application that the instance does not belong to.
    OtherApplication,
}

/// Counts stray signs of life.
pub(super) struct Strays {
    without_ids: Counter,
    of_other_application: Counter,
    start: Instant,
    /// The earliest time of the next event, in milliseconds since the start.
    next: AtomicI64,
}

impl Strays {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            without_ids: metrics.dropped("signals_with_an_id_of_an_agent_without_ids"),
            of_other_application: metrics.dropped("signals_of_another_application"),
            start: Instant::now(),
            next: AtomicI64::new(0),
        }
    }

    /// Counts one sign. Returns whether to publish it.
    pub(super) fn observe(&self, reason: Reason) -> bool {
        match reason {
            Reason::NoIds => self.without_ids.inc(),
            Reason::OtherApplication => self.of_other_application.inc(),
        };
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
