//! Whether the catalog knows enough to answer reads, and whether it is about to stop.

use std::{
    sync::atomic::{
        AtomicBool, AtomicI64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::Duration,
};

use rollcall_domain::Moment;

/// Reads are refused for a while after a start without a recent roster.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    complete_at: AtomicI64,
    is_draining: AtomicBool,
    was_incomplete: AtomicBool,
}

impl Readiness {
    pub(crate) fn wait_until(&self, moment: Moment) {
        self.complete_at.store(moment.millis(), Relaxed);
        self.was_incomplete.store(true, Release);
    }

    pub(crate) fn is_complete(&self, now: Moment) -> bool {
        now.millis() >= self.complete_at.load(Relaxed)
    }

    pub(crate) fn complete_in(&self, now: Moment) -> Duration {
        let rest = self.complete_at.load(Relaxed).saturating_sub(now.millis());
        Duration::from_millis(u64::try_from(rest).unwrap_or(0))
    }

    /// Whether reads became possible since the last call. If so, the caller must push the changes that were missed.
    pub(crate) fn turns_complete(&self, now: Moment) -> bool {
        self.is_complete(now) && self.was_incomplete.swap(false, AcqRel)
    }

    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Acquire)
    }
}
