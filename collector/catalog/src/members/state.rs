//! The state of the exchange, which the calls of clients use too.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed},
        },
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use rollcall_domain::{
    Moment,
    catalog::{Endpoint, InstanceRef, Place, ServiceKey},
};

use super::{relay::Relays, roaming::Roaming, unpublished::Unpublished};
use crate::store::{Exchange, Peers};

/// This collector among the others.
#[derive(Debug)]
pub(crate) struct Members {
    pub(super) exchange: Arc<dyn Exchange>,
    pub(super) own: Arc<str>,
    pub(super) unpublished: Unpublished,
    pub(super) relays: Relays,
    pub(super) roaming: Roaming,
    /// The members that are not in the cluster. Beats for their instances are claims.
    pub(super) absent: RwLock<HashSet<Arc<str>>>,
    /// The members that have left for longer than the grace. Their claims are not applied.
    pub(super) gone: RwLock<HashSet<Arc<str>>>,
    /// Every name that has published an entry.
    pub(super) names: Mutex<BTreeSet<Arc<str>>>,
    /// Whether this collector is in the cluster. Otherwise the others would remove what it publishes.
    pub(super) is_member: AtomicBool,
    /// Whether this collector is the first one in the cluster that publishes. It removes what several would remove at once.
    pub(super) is_first: AtomicBool,
    /// Whether all entries were read since the start.
    pub(super) is_read: AtomicBool,
    pub(super) counters: Counters,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) left_out: AtomicUsize,
}

/// The numbers of entries, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Entries that this collector wrote or removed since its start.
    pub published: u64,
    /// Writes that failed since the start.
    pub failed: u64,
    /// Entries of other members that could not be read.
    pub unreadable: u64,
    /// Instances of other members for which there is no room.
    pub left_out: usize,
    /// Instances whose changes wait to be published.
    pub unpublished: usize,
}

impl Members {
    pub(crate) fn new(peers: Peers) -> Self {
        Self {
            exchange: peers.exchange,
            own: peers.own,
            unpublished: Unpublished::default(),
            relays: Relays::default(),
            roaming: Roaming::default(),
            absent: RwLock::default(),
            gone: RwLock::default(),
            names: Mutex::default(),
            is_member: AtomicBool::new(false),
            is_first: AtomicBool::new(false),
            is_read: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    pub(crate) fn exchanged(&self) -> Exchanged {
        Exchanged {
            published: self.counters.published.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
            unreadable: self.counters.unreadable.load(Relaxed),
            left_out: self.counters.left_out.load(Relaxed),
            unpublished: self.unpublished.len(),
        }
    }

    /// Publishes the present claims of this collector on these instances, soon. `claims`: the claims that the catalog has.
    pub(crate) fn publish(&self, places: impl IntoIterator<Item = Place>, claims: usize) {
        self.unpublished.add(places, claims);
    }

    /// Counts instances of other members for which there is no room. They are tried again.
    pub(crate) fn leave_out(&self, count: usize) {
        if count > 0 {
            let before = self.counters.left_out.fetch_add(count, Relaxed);
            warn_left_out(before, before + count);
        }
    }

    /// Replaces the number of instances for which there is no room, after all entries were read.
    pub(super) fn set_left_out(&self, count: usize) {
        warn_left_out(self.counters.left_out.swap(count, Relaxed), count);
    }

    /// Whether this collector is the first one in the cluster that publishes.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first.load(Relaxed)
    }

    /// Whether this collector has all instances of the others. If not, one without an instance here may have it elsewhere.
    pub(crate) fn lists_all(&self, now: Moment) -> bool {
        self.is_read.load(Acquire)
            && self.counters.left_out.load(Relaxed) == 0
            && self.roaming.is_settled(now)
    }

    /// Whether a member is not in the cluster.
    pub(crate) fn is_absent(&self, member: &Arc<str>) -> bool {
        self.absent.read().contains(member)
    }

    /// Tells the member that has an instance of a beat at this one. `is_urgent`: the instance is unhealthy there.
    pub(crate) fn relay(
        &self,
        (service, endpoint): (&ServiceKey, &Endpoint),
        term: Duration,
        is_urgent: bool,
        now: Moment,
    ) {
        self.relays.add((service, endpoint), term, is_urgent, now);
    }

    /// Forgets the beats of an instance that arrived at other members.
    pub(crate) fn ended(&self, instance: InstanceRef) {
        self.roaming.end(instance);
    }

    /// Whether the verdict on a lease has to wait, because beats of the instance may have arrived at another member and this one
    /// cannot know.
    pub(crate) fn defers(&self, instance: InstanceRef, now: Moment) -> bool {
        self.roaming.defers(instance, now)
    }
}

fn warn_left_out(before: usize, count: usize) {
    if count > 0 && before == 0 {
        tracing::warn!(
            count,
            "catalog: instances of other collectors are not listed, because a limit is reached: raise nacos.default.memory, \
             max_services or max_instances_per_service"
        );
    }
}
