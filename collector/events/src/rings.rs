//! The timelines: the last changes of each instance.
//!
//! A timeline exists from the first change of its instance. All timelines of one kind share a budget of bytes. Beyond it the
//! timeline whose last change is the oldest is dropped, so an instance that changes often costs only itself.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use rollcall_domain::Timestamp;
use rollcall_limits::Budget;

use super::event::Recorded;

/// An instance that fills its timeline within this time changes too often for single events.
const FLAPPING: Duration = Duration::from_secs(60);

/// The bytes of a timeline without its entries: the maps' entries and the queue's allocation.
const TIMELINE: usize = 192;

/// The timelines of one kind of instances.
#[derive(Debug)]
pub(super) struct Rings<K> {
    per_instance: usize,
    budget: Budget,
    held: usize,
    rings: HashMap<K, Ring>,
    /// The key of each timeline by the number of its last change.
    by_age: BTreeMap<u64, K>,
}

/// The last changes of one instance.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<Recorded>>,
    /// Older changes that were recorded and are no longer held.
    lost: u64,
    /// Changes that were not recorded since the last one that was, and the time of the first.
    unrecorded: Option<(u64, Timestamp)>,
    /// Whether the first change of all was held.
    is_from_the_start: bool,
}

/// The decision about one more change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is recorded.
    Recorded,
    /// It is recorded, after an event for the changes that were not: their number, and the time of the first.
    After(u64, Timestamp),
    /// It is only counted.
    Counted,
}

impl<K: Clone + Eq + Hash> Rings<K> {
    pub(super) fn new(per_instance: usize, budget: Budget) -> Self {
        Self {
            per_instance: per_instance.max(1),
            budget,
            held: 0,
            rings: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// Whether a change that a peer caused is recorded.
    pub(super) fn admit(&mut self, key: &K, at: Timestamp) -> Admission {
        let Some(ring) = self.rings.get_mut(key) else {
            return Admission::Recorded;
        };
        let first = ring
            .entries
            .front()
            .filter(|_| ring.entries.len() >= self.per_instance);
        if first.is_some_and(|first| at.since(first.at) < FLAPPING) {
            ring.unrecorded.get_or_insert((0, at)).0 += 1;
            return Admission::Counted;
        }
        match ring.unrecorded.take() {
            Some((count, since)) => Admission::After(count, since),
            None => Admission::Recorded,
        }
    }

    /// Adds a change; `is_first` says whether no change of the instance precedes it.
    pub(super) fn add(&mut self, key: &K, recorded: Arc<Recorded>, is_first: bool) {
        let ring = match self.rings.get_mut(key) {
            Some(ring) => ring,
            None => {
                self.held += TIMELINE;
                let ring = self.rings.entry(key.clone()).or_default();
                ring.is_from_the_start = is_first;
                ring
            }
        };
        if let Some(last) = ring.entries.back() {
            self.by_age.remove(&last.number);
        }
        self.by_age.insert(recorded.number, key.clone());
        self.held += recorded.cost();
        ring.entries.push_back(recorded);
        while ring.entries.len() > self.per_instance {
            let oldest = ring.entries.pop_front();
            ring.lost += 1;
            self.held -= oldest.map_or(0, |oldest| oldest.cost());
        }
        while self.held > self.budget.limit() && self.drop_oldest() {}
        self.budget.record_held(self.held);
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.by_age.pop_first() else {
            return false;
        };
        if let Some(ring) = self.rings.remove(&key) {
            let entries: usize = ring.entries.iter().map(|entry| entry.cost()).sum();
            self.held -= TIMELINE + entries;
        }
        self.budget.record_refused(1);
        true
    }

    /// The changes of an instance, oldest first, and how many older ones there were; `None` if that is unknown.
    pub(super) fn of(&self, key: &K) -> (Vec<Arc<Recorded>>, Option<u64>) {
        let Some(ring) = self.rings.get(key) else {
            return (Vec::new(), None);
        };
        let unrecorded = ring.unrecorded.map_or(0, |(count, _)| count);
        let lost = ring.is_from_the_start.then_some(ring.lost + unrecorded);
        (ring.entries.iter().cloned().collect(), lost)
    }

    /// The newest change of an instance before the one with this number for which `read` has a value.
    pub(super) fn last<T>(
        &self,
        key: &K,
        before: u64,
        read: impl Fn(&Recorded) -> Option<T>,
    ) -> Option<T> {
        let entries = self.rings.get(key)?.entries.iter().rev();
        entries
            .filter(|entry| entry.number < before)
            .find_map(|entry| read(entry))
    }

    /// Up to `limit` instances with a timeline that `keeps` selects.
    pub(super) fn keys(&self, keeps: impl Fn(&K) -> bool, limit: usize) -> Vec<K> {
        let keys = self.rings.keys().filter(|key| keeps(key));
        keys.take(limit).cloned().collect()
    }

    /// The budget of the timelines.
    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// The number of timelines.
    pub(super) fn len(&self) -> usize {
        self.rings.len()
    }
}
