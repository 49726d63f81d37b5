//! Counts of leases by state and group.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::Hash,
};

use super::{Key, State};
use crate::id::IdHashing;

/// The group in which a lease is counted besides the total: the application of an instance, or the unit type for no groups. The
/// default value stands for an unknown group.
pub trait Group: Copy + Default + Eq + Hash {}

impl<G: Copy + Default + Eq + Hash> Group for G {}

/// The number of leases in each state. Forgotten leases are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Leases that are up.
    pub up: usize,
    /// Leases that are silent.
    pub silent: usize,
    /// Leases that are down.
    pub down: usize,
    /// Leases whose holder left.
    pub left: usize,
}

impl Tally {
    pub(super) fn add(&mut self, state: State) {
        *self.of(state) += 1;
    }

    pub(super) fn remove(&mut self, state: State) {
        let count = self.of(state);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Up => &mut self.up,
            State::Silent => &mut self.silent,
            State::Down => &mut self.down,
            State::Left => &mut self.left,
        }
    }
}

/// The tallies of all groups. They take no memory in a lease: the group is looked up when the state changes.
///
/// The group of a key never changes once it is known. So only the keys that were counted while their group was unknown are kept,
/// until [`Tallies::learn`].
pub(super) struct Tallies<K, G> {
    group_of: Box<dyn Fn(K) -> G + Send + Sync>,
    unknown: HashSet<K, IdHashing>,
    total: Tally,
    /// A group without leases has no entry.
    groups: HashMap<G, Tally, IdHashing>,
}

impl<K: Key, G: Group> Tallies<K, G> {
    pub(super) fn new(group_of: Box<dyn Fn(K) -> G + Send + Sync>) -> Self {
        Self {
            group_of,
            unknown: HashSet::default(),
            total: Tally::default(),
            groups: HashMap::default(),
        }
    }

    pub(super) const fn total(&self) -> Tally {
        self.total
    }

    pub(super) fn of(&self, group: G) -> Tally {
        self.groups.get(&group).copied().unwrap_or_default()
    }

    /// Starts counting a key, which is in this state. Its group is fixed from now on, if it is known.
    pub(super) fn begin(&mut self, key: K, state: State) {
        let group = (self.group_of)(key);
        // The unit group never becomes known.
        if size_of::<G>() > 0 && group == G::default() {
            self.unknown.insert(key);
        }
        self.add_to(group, state);
    }

    /// Stops counting a key.
    pub(super) fn end(&mut self, key: K) {
        self.unknown.remove(&key);
    }

    /// Whether a key is counted, and its group was unknown so far.
    pub(super) fn is_unknown(&self, key: K) -> bool {
        self.unknown.contains(&key)
    }

    /// Moves a key to its group if the group has become known. `state` is the state in which the key is counted; `None` if the
    /// lease is forgotten.
    pub(super) fn learn(&mut self, key: K, state: Option<State>) {
        if !self.is_unknown(key) || (self.group_of)(key) == G::default() {
            return;
        }
        if let Some(state) = state {
            self.remove(key, state);
        }
        self.unknown.remove(&key);
        if let Some(state) = state {
            self.add(key, state);
        }
    }

    pub(super) fn add(&mut self, key: K, state: State) {
        self.add_to(self.group(key), state);
    }

    fn add_to(&mut self, group: G, state: State) {
        self.total.add(state);
        self.groups.entry(group).or_default().add(state);
    }

    pub(super) fn remove(&mut self, key: K, state: State) {
        self.total.remove(state);
        let group = self.group(key);
        if let Entry::Occupied(mut tally) = self.groups.entry(group) {
            tally.get_mut().remove(state);
            if *tally.get() == Tally::default() {
                tally.remove();
            }
        }
    }

    fn group(&self, key: K) -> G {
        if self.unknown.contains(&key) {
            return G::default();
        }
        (self.group_of)(key)
    }
}
