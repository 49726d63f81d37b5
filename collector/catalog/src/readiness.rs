//! Whether the catalog knows enough to answer reads, and whether it is about to stop.

use std::{
    sync::atomic::{
        AtomicBool, AtomicI64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::Duration,
};

use rollcall_domain::Moment;

/// Reads are refused for a while after a start without a recent roster. Among other collectors they are refused until the instances
/// of all are known, and for a while if no other one has served longer.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    complete_at: AtomicI64,
    /// When the clients of this collector have had time to return.
    warm_at: AtomicI64,
    is_draining: AtomicBool,
    was_incomplete: AtomicBool,
}

impl Readiness {
    pub(crate) fn wait_until(&self, moment: Moment) {
        self.complete_at.store(moment.millis(), Relaxed);
        self.was_incomplete.store(true, Release);
    }

    /// Refuses reads until [`Readiness::members_are_read`], and not before `moment`.
    pub(crate) fn wait_for_members(&self, moment: Moment) {
        self.warm_at.store(moment.millis(), Release);
        self.wait_until(Moment::from_millis(i64::MAX));
    }

    /// The instances of the other members are known.
    pub(crate) fn members_are_read(&self, now: Moment) {
        let warm_at = self.warm_at.load(Acquire).max(now.millis());
        self.complete_at.store(warm_at, Relaxed);
    }

    /// Ends the warm-up, because another member has served for longer: the clients of this collector have used that member, and its
    /// instances are known.
    pub(crate) fn ends_warm_up(&self, now: Moment) {
        self.complete_at.fetch_min(now.millis(), Relaxed);
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
