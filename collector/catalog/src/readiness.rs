//! Whether the catalog knows enough to answer reads, and whether it is about to stop.

use std::sync::atomic::{
    AtomicBool, AtomicI64,
    Ordering::{Acquire, Relaxed, Release},
};

use rollcall_domain::Moment;

/// Reads are refused for a while after a start that did not find the instances of the last run.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    complete_at: AtomicI64,
    is_draining: AtomicBool,
}

impl Readiness {
    pub(crate) fn wait_until(&self, moment: Moment) {
        self.complete_at.store(moment.millis(), Relaxed);
    }

    pub(crate) fn is_complete(&self, now: Moment) -> bool {
        now.millis() >= self.complete_at.load(Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Acquire)
    }
}
