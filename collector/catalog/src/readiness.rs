//! Whether the catalog knows enough to answer reads.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rollcall_domain::Moment;

/// Until when reads are refused after a start.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    complete_at: AtomicI64,
}

impl Readiness {
    pub(crate) fn wait_until(&self, moment: Moment) {
        self.complete_at.store(moment.millis(), Relaxed);
    }

    pub(crate) fn is_complete(&self, now: Moment) -> bool {
        now.millis() >= self.complete_at.load(Relaxed)
    }
}
