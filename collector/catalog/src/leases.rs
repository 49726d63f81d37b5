//! The leases of instances that need beats: the collector's lessor, with the terms of each instance.
//!
//! A lease belongs to the slot of its instance, which a later instance reuses. So a caller must hold the lock of the registry from
//! the look-up of the instance on. A verdict names only the slot: see [`Leases::judge`].

use std::time::Duration;

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Beats, InstanceRef},
    liveness::{LeaseTerms, Lessor, Renewal, Signal, State, Terms, Transition},
};

/// How long the lessor keeps the lease of an instance that is down and was not removed.
const FORGET: Duration = Duration::from_secs(60);
/// After a stall, leases that have not been renewed since get a part of this as extra time, so that they do not all expire at once.
const SPREAD: Duration = Duration::from_secs(5);
/// A tick this late shows that the collector itself stalled, so that beats may have been missed.
const STALL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Leases {
    /// By the slot of the instance.
    lessor: Lessor<u32>,
    last_judged_at: Mutex<Option<Moment>>,
}

/// The verdict on a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unhealthy,
    Expired,
}

impl Default for Leases {
    fn default() -> Self {
        let usual = Beats::default();
        Self {
            lessor: Lessor::new(Terms {
                silent_after: usual.unhealthy_after,
                down_after: usual.removed_after,
                relay: Duration::ZERO,
                spread: SPREAD,
                forget_after: FORGET,
            }),
            last_judged_at: Mutex::default(),
        }
    }
}

impl Leases {
    /// Grants an instance a lease on these terms, or changes the terms of its lease and renews it.
    pub(crate) fn grant(&self, instance: InstanceRef, beats: Beats, now: Moment) {
        // The lease gets terms of its own even if they equal the lessor's, because the lessor would lengthen its own for slow
        // beats.
        let terms = LeaseTerms {
            // An instance that is removed before it becomes unhealthy is never shown as unhealthy.
            silent_after: beats.unhealthy_after.min(beats.removed_after),
            down_after: beats.removed_after,
        };
        let granted = self
            .lessor
            .grant_on(instance.number(), Some(terms), Signal::Register, now);
        match granted {
            Renewal::Granted | Renewal::Kept | Renewal::Changed(_) | Renewal::Moved { .. } => {}
        }
    }

    /// Records a beat. Returns whether the instance has a lease.
    pub(crate) fn renew(&self, instance: InstanceRef, now: Moment) -> bool {
        let renewed = self.lessor.renew(instance.number(), Signal::Heartbeat, now);
        renewed.is_some()
    }

    pub(crate) fn end(&self, instance: InstanceRef) {
        self.lessor.remove(instance.number());
    }

    /// Judges up to `limit` leases. Returns the slots of those that are overdue, and whether there are more leases to judge. A
    /// verdict counts only if [`Leases::is_silent`] or [`Leases::remove_expired`] confirms it under the lock of the registry,
    /// because another instance may have the slot by then.
    pub(crate) fn judge(&self, now: Moment, limit: usize) -> (Vec<(u32, Verdict)>, bool) {
        let before = self.last_judged_at.lock().replace(now);
        if before.is_some_and(|before| now.since(before) > STALL) {
            self.lessor.resume(now);
        }
        let mut changed = Vec::new();
        let more = self.lessor.expire(now, limit, &mut changed);
        let verdict = |transition: Transition<u32>| match transition.to {
            State::Silent => Some((transition.key, Verdict::Unhealthy)),
            State::Down => Some((transition.key, Verdict::Expired)),
            State::Up | State::Left => None,
        };
        (changed.into_iter().filter_map(verdict).collect(), more)
    }

    /// Starts all terms anew: beats that were missed before now do not count.
    pub(crate) fn resume(&self, now: Moment) {
        self.lessor.resume(now);
    }

    /// Whether the last beat is so long ago that the instance is unhealthy. A beat that arrived after the verdict has precedence.
    pub(crate) fn is_silent(&self, instance: InstanceRef) -> bool {
        let view = self.lessor.view(instance.number());
        view.is_some_and(|view| view.state != State::Up)
    }

    /// Removes a lease that has expired, unless a beat has renewed it.
    pub(crate) fn remove_expired(&self, instance: InstanceRef) -> bool {
        self.lessor.remove_expired(instance.number())
    }

    /// Whether the last sign of the instance was a beat, and not its registration.
    pub(crate) fn has_beaten(&self, instance: InstanceRef) -> bool {
        let view = self.lessor.view(instance.number());
        view.is_some_and(|view| view.signal == Signal::Heartbeat)
    }

    pub(crate) fn beaten_at(&self, instance: InstanceRef) -> Option<Moment> {
        Some(self.lessor.view(instance.number())?.last_seen)
    }
}
