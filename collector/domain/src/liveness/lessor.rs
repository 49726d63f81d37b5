//! The owner of the leases.

mod grant;
mod judge;
mod ledger;
mod remove;
mod report;

use std::{
    fmt,
    hash::{BuildHasher as _, Hash},
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Closed, ConnectionId, Group, LeaseRecord, LeaseTerms, LeaseView, Renewal, Signal, State, Tally,
    Terms,
    lease::{Flag, Heard, Lease, Standing},
    pace::Pace,
    terms::{Table, TermsIndex},
};
use crate::{
    Moment,
    id::{IdHashing, IdMap},
};
use ledger::Ledger;
pub use ledger::{Counts, Slow};

/// What a lease belongs to: small, and copied into the map and the timing wheel.
pub trait Key: Copy + Eq + Hash {}

impl<K: Copy + Eq + Hash> Key for K {}

/// Grants, renews, expires and removes leases. Shared: every method takes `&self`, from any thread.
///
/// # How renewing and expiring meet
///
/// Renewing an instance that is up takes no lock: it records the signal, reads that the instance is up, and is done. All
/// else, expiring above all, happens under one lock, and only there is a state written. A renewal of an instance that is
/// not up waits for the lock and then, if the instance is still not up, brings it back. `lease.rs` says how no renewal is
/// lost on the way. So a renewed instance ends up, and the transitions that are reported are those that happened.
///
/// Marking a silent instance down needs no care: a renewal sees that it is not up, whether it finds it silent or down.
///
/// # What a term is counted from
///
/// Not from the last signal alone: silence is evidence only of the time in which this collector listened. A signal that came to
/// this collector counts from when the collector began to listen ([`Lessor::resume`]), if that is later; one that came to another
/// collector, from when this one began to read without a break what others report ([`Lessor::regain_contact`]). While it cannot
/// read that, no such instance expires, and none at all is given up as down: its agent may beat elsewhere.
///
/// # Terms of one lease
///
/// Terms of its own hold as they are, however its signals are paced: its agent asked for them.
/// A lease may have terms of its own ([`Lessor::grant_on`]). They cost it no memory, since equal terms stand in a table once, and a
/// lease on the terms of the lessor reads no table. Past 280 different pairs further ones are rounded up, by less than
/// a factor of two, or to 4 s.
///
/// # Counters
///
/// Leases are counted by state, together and by group ([`Lessor::grouped`]), where their state changes: under the lock. So
/// a tally reads a counter, however many leases there are.
///
/// # The wheel is lazy
///
/// Renewing does not touch the timing wheel. Each lease that is up or silent has exactly one entry in it, filed at most one
/// `silent_after` ahead, its own or the lessor's, whichever is shorter. When the entry comes due and the lease has been renewed
/// since, it is filed again at the new deadline. So terms that are made shorter hold at the latest one `silent_after` of the lessor
/// later. A second wheel has the leases that are down or left, until they are forgotten.
///
/// # Removal
///
/// A removed lease is gone for every caller at once. Its memory follows when the entries that name it come due: at most one
/// `silent_after` later, or [`Terms::forget_after`] after its end. Granted again before that, it keeps its entries, so that
/// no sequence of grants and removals makes the wheels grow.
pub struct Lessor<K, G = ()> {
    terms: Terms,
    own_terms: Table,
    /// Since when this collector has listened without a break, in milliseconds.
    listening_since: AtomicI64,
    leases: IdMap<K, Lease>,
    /// Spreads keys evenly.
    hashing: IdHashing,
    ledger: Mutex<Ledger<K, G>>,
}

impl<K: Key> Lessor<K> {
    /// As [`Lessor::grouped`], of leases that are counted only together.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self::grouped(terms, |_key| ())
    }
}

impl<K: Key, G: Group> Lessor<K, G> {
    /// Without any lease. It listens, and is in contact, from moment 0 on. `group_of` gives the group that a key is counted in.
    ///
    /// `group_of` runs under the lock. It may give the default for a group that is not known; once it gives another one
    /// for a key it gives that for ever, and [`Lessor::learn_group`] is called.
    #[must_use]
    pub fn grouped(terms: Terms, group_of: impl Fn(K) -> G + Send + Sync + 'static) -> Self {
        Self {
            own_terms: Table::new(),
            listening_since: AtomicI64::new(0),
            leases: IdMap::default(),
            hashing: IdHashing::default(),
            ledger: Mutex::new(Ledger::new(&terms, Box::new(group_of))),
            terms,
        }
    }

    /// The terms of leases that have none of their own.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Makes room for leases that are about to be restored; see
    /// [`Allocator::reserve`](crate::inventory::Allocator::reserve).
    pub fn reserve(&self, leases: usize) {
        self.leases.pin().reserve(leases);
    }

    /// Records a signal of an instance. `None` if it has no lease. For an instance that is up this is one look-up, one store and
    /// a few loads.
    pub fn renew(&self, key: K, signal: Signal, now: Moment) -> Option<Renewal<K>> {
        let leases = self.leases.pin();
        self.hear(key, leases.get(&key)?, signal, now)
    }

    /// As [`Lessor::renew`], for a signal that came over this connection. Returns also whether the instance was last seen on
    /// another one, so that the end of this one has to be recorded in its lease ([`Lessor::close`]).
    pub fn renew_on(
        &self,
        connection: ConnectionId,
        key: K,
        signal: Signal,
        now: Moment,
    ) -> Option<(Renewal<K>, bool)> {
        let leases = self.leases.pin();
        let lease = leases.get(&key)?;
        let is_new = lease.via.seen_on(connection);
        Some((self.hear(key, lease, signal, now)?, is_new))
    }

    /// Records the end of a connection in the lease of an instance that was seen on it, unless it was seen on another one since.
    pub fn close(&self, key: K, connection: ConnectionId, closed: Closed) {
        if let Some(lease) = self.leases.pin().get(&key) {
            lease.via.close(connection, closed);
        }
    }

    /// The collector listens again from now on, or for the first time: it read its store, or the process did not run. Signals that
    /// are missing from the time before are no evidence.
    pub fn resume(&self, now: Moment) {
        let mut ledger = self.ledger.lock();
        self.listening_since.fetch_max(now.millis(), Relaxed);
        ledger.contact = ledger.contact.map(|since| since.max(now));
    }

    /// This collector cannot read what others report, or they cannot write it.
    pub fn lose_contact(&self) {
        self.ledger.lock().contact = None;
    }

    /// From now on it can.
    pub fn regain_contact(&self, now: Moment) {
        self.ledger.lock().contact.get_or_insert(now);
    }

    /// Forgets every interval that was observed.
    #[cfg(test)]
    pub(super) fn forget_intervals(&self) {
        let leases = self.leases.pin();
        leases
            .values()
            .for_each(|lease| lease.pace.decay(Duration::MAX));
    }

    /// Leases in the map, those that are removed and still named by an entry included.
    #[cfg(test)]
    pub(super) fn leases(&self) -> usize {
        self.leases.pin().len()
    }

    fn listening_since(&self) -> Moment {
        Moment::from_millis(self.listening_since.load(Relaxed))
    }

    /// The terms of the lessor with those of a lease in their place.
    fn terms_at(&self, index: TermsIndex) -> Terms {
        let own = self.own_terms.get(index);
        own.map_or(self.terms, |own| self.terms.with(own))
    }

    fn silent_after(&self, index: TermsIndex) -> Duration {
        let own = self.own_terms.get(index);
        own.map_or(self.terms.silent_after, |own| own.silent_after)
    }

    /// When a lease is looked at next, if nothing else is known: no later than one `silent_after` of the lessor from now, so that
    /// terms that are made shorter hold by then.
    fn next_look(&self, index: TermsIndex, now: Moment) -> Moment {
        now.after(self.silent_after(index).min(self.terms.silent_after))
    }

    /// A part of [`Terms::spread`] that is always the same for an instance, and evenly spread over instances.
    fn jitter(&self, key: K) -> Duration {
        self.terms.jitter(self.hashing.hash_one(key))
    }
}

impl<K: Key, G: Group> fmt::Debug for Lessor<K, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lessor")
            .field("terms", &self.terms)
            .field("counts", &self.counts())
            .finish()
    }
}
