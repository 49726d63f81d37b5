//! The leases of instances that beats keep alive.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Beats, InstanceRef},
};

#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    leases: HashMap<InstanceRef, Lease>,
    /// When each lease is to be looked at; a beat does not move its entry.
    due: BTreeSet<(Moment, InstanceRef)>,
}

#[derive(Debug)]
struct Lease {
    beaten_at: Moment,
    beats: Beats,
    look_at: Moment,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unhealthy,
    Expired,
}

impl Leases {
    pub(crate) fn grant(&self, instance: InstanceRef, beats: Beats, now: Moment) {
        let mut inner = self.0.lock();
        let look_at = now.after(beats.unhealthy_after.min(beats.removed_after));
        let lease = Lease {
            beaten_at: now,
            beats,
            look_at,
        };
        if let Some(old) = inner.leases.insert(instance, lease) {
            inner.due.remove(&(old.look_at, instance));
        }
        inner.due.insert((look_at, instance));
    }

    pub(crate) fn renew(&self, instance: InstanceRef, beats: Beats, now: Moment) {
        if let Some(lease) = self.0.lock().leases.get_mut(&instance) {
            lease.beaten_at = now;
            lease.beats = beats;
        }
    }

    /// A registration is a sign of life.
    pub(crate) fn refresh(&self, instance: InstanceRef, now: Moment) {
        if let Some(lease) = self.0.lock().leases.get_mut(&instance) {
            lease.beaten_at = now;
        }
    }

    pub(crate) fn end(&self, instance: InstanceRef) {
        let mut inner = self.0.lock();
        if let Some(lease) = inner.leases.remove(&instance) {
            inner.due.remove(&(lease.look_at, instance));
        }
    }

    /// Looks at up to `limit` leases that are due.
    pub(crate) fn due(&self, now: Moment, limit: usize) -> Vec<(InstanceRef, Verdict)> {
        let mut inner = self.0.lock();
        let mut verdicts = Vec::new();
        for _ in 0..limit {
            let Some(&(at, instance)) = inner.due.first() else {
                break;
            };
            if at > now {
                break;
            }
            inner.due.pop_first();
            let Some(lease) = inner.leases.get_mut(&instance) else {
                continue;
            };
            let unhealthy_at = lease.beaten_at.after(lease.beats.unhealthy_after);
            let removed_at = lease.beaten_at.after(lease.beats.removed_after);
            if removed_at < now {
                inner.leases.remove(&instance);
                verdicts.push((instance, Verdict::Expired));
                continue;
            }
            let next = if unhealthy_at < now {
                verdicts.push((instance, Verdict::Unhealthy));
                removed_at
            } else {
                unhealthy_at.min(removed_at)
            };
            // A little later, so that a lease that is due right now is not looked at for ever.
            lease.look_at = next.max(now).after(std::time::Duration::from_millis(1));
            let entry = (lease.look_at, instance);
            inner.due.insert(entry);
        }
        verdicts
    }

    pub(crate) fn beaten_at(&self, instance: InstanceRef) -> Option<Moment> {
        Some(self.0.lock().leases.get(&instance)?.beaten_at)
    }
}
