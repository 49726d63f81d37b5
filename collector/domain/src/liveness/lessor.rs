//! The owner of the leases.

mod grant;
mod judge;
mod ledger;
mod pages;
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
    Arrival, Closed, ConnectionId, Group, LeaseRecord, LeaseTerms, LeaseView, Observer, Renewal,
    Signal, State, Tally, Terms,
    lease::{Evidence, Flag, Lease, Standing},
    pace::Pace,
    terms::{Table, TermsIndex},
};
use crate::{InstanceId, Moment, id::IdHashing};
use ledger::Ledger;
pub use ledger::{Counts, Slow};
use pages::Pages;

/// The key of a lease: small, because it is copied into the timing wheel.
pub trait Key: Copy + Eq + Hash {
    /// Its number. Leases of neighbouring numbers share memory, so numbers should be dense.
    fn number(self) -> u32;
}

impl Key for InstanceId {
    #[inline]
    fn number(self) -> u32 {
        self.get().cast_unsigned()
    }
}

/// The number of a slot.
impl Key for u32 {
    #[inline]
    fn number(self) -> u32 {
        self
    }
}

/// Grants, renews, expires and removes leases. It is shared: every method takes `&self`, from any thread.
///
/// # Renewal and expiry
///
/// A renewal of an instance that is up takes no lock: it records the signal and reads that the instance is up. Everything else,
/// above all expiry, runs under one lock. A state is written only under that lock. A renewal of an instance that is not up waits
/// for the lock; if the instance is still not up then, the renewal brings it back. `lease.rs` explains why no renewal is lost. So a
/// renewed instance ends up, and every reported transition happened.
///
/// The change from silent to down needs no such care: in both states a renewal sees that the instance is not up.
///
/// # The start of a term
///
/// A term does not start at the last signal alone, because silence is evidence only for the time in which this collector listened.
/// If this collector observed the signal, the term starts at the signal, or when the collector began to listen ([`Lessor::resume`])
/// if that is later. If another collector observed it, the term starts at the signal, or when this collector began to read the
/// reports of others without a break ([`Lessor::regain_contact`]) if that is later. While it cannot read them, no such instance
/// expires, and no instance is marked as down, because its agent may send heartbeats to another collector.
///
/// # Terms of one lease
///
/// A lease may have terms of its own ([`Lessor::grant_on`]). They apply as they are, at any observed interval, because the agent
/// requested them. They take no memory in the lease: a table holds equal terms once, and a lease on the terms of the lessor reads
/// no table. Beyond 280 different pairs, further ones are rounded up, by less than a factor of two, or to 4 s.
///
/// # Counters
///
/// Leases are counted by state, in total and by group ([`Lessor::grouped`]), where their state changes: under the lock. So a tally
/// reads one counter for any number of leases.
///
/// # The wheel is lazy
///
/// A renewal does not touch the timing wheel. Each lease that is up or silent has exactly one entry in it, filed at most one
/// `silent_after` ahead, its own or the lessor's, whichever is shorter. An entry that comes due is filed again at the new deadline
/// if the lease was renewed meanwhile. So shorter terms take effect at most one `silent_after` of the lessor later. A second wheel
/// holds the leases that are down or left, until they are forgotten.
///
/// # Removal
///
/// A removed lease is gone for every caller at once. Its place in memory stays for a later lease of the same key. Its entries in
/// the wheels stay until they come due: at most one `silent_after` later, or [`Terms::forget_after`] after its end. A lease granted
/// again before that keeps its entries, so no sequence of grants and removals makes the wheels grow.
pub struct Lessor<K, G = ()> {
    terms: Terms,
    own_terms: Table,
    /// The time since which this collector has listened without a break, in milliseconds.
    listening_since: AtomicI64,
    leases: Pages,
    /// Spreads keys evenly.
    hashing: IdHashing,
    ledger: Mutex<Ledger<K, G>>,
}

impl<K: Key> Lessor<K> {
    /// As [`Lessor::grouped`], with leases counted only in total.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self::grouped(terms, |_key| ())
    }
}

impl<K: Key, G: Group> Lessor<K, G> {
    /// A lessor without leases. It listens and is in contact from moment 0 on. `group_of` returns the group in which a key is
    /// counted.
    ///
    /// `group_of` runs under the lock. It may return the default for an unknown group. Once it returns another group for a key it
    /// always returns that one, and the caller calls [`Lessor::learn_group`].
    #[must_use]
    pub fn grouped(terms: Terms, group_of: impl Fn(K) -> G + Send + Sync + 'static) -> Self {
        Self {
            own_terms: Table::new(),
            listening_since: AtomicI64::new(0),
            leases: Pages::new(),
            hashing: IdHashing::default(),
            ledger: Mutex::new(Ledger::new(&terms, Box::new(group_of))),
            terms,
        }
    }

    /// The terms of leases without terms of their own.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Reserves capacity for leases that are about to be restored; see
    /// [`Allocator::reserve`](crate::inventory::Allocator::reserve).
    pub fn reserve(&self, leases: usize) {
        self.leases.reserve(leases);
    }

    /// Records a signal of an instance. Returns `None` if it has no lease. For an instance that is up this is one look-up, one
    /// store and a few loads.
    pub fn renew(&self, key: K, signal: Signal, now: Moment) -> Option<Renewal<K>> {
        let leases = self.leases.pin();
        self.record_signal(key, leases.get(key)?, signal, now)
    }

    /// As [`Lessor::renew`], for a signal on this connection. Also returns where the instance was last seen. If that is not this
    /// connection, the caller must call [`Lessor::close`] when this connection ends.
    pub fn renew_on(
        &self,
        connection: ConnectionId,
        key: K,
        signal: Signal,
        now: Moment,
    ) -> Option<(Renewal<K>, Arrival)> {
        let leases = self.leases.pin();
        let lease = leases.get(key)?;
        let arrival = lease.via.seen_on(connection);
        Some((self.record_signal(key, lease, signal, now)?, arrival))
    }

    /// Records the end of a connection in the lease of an instance that was seen on it, unless it was seen on another one since.
    /// Returns whether the instance was seen on it more than once, so that the end is worth an event.
    pub fn close(&self, key: K, connection: ConnectionId, closed: Closed) -> bool {
        let leases = self.leases.pin();
        let lease = leases.get(key);
        lease.is_some_and(|lease| lease.via.close(connection, closed))
    }

    /// Records that the collector listens from now on: after it read its store, or after the process was suspended. The absence of
    /// signals before now does not count.
    pub fn resume(&self, now: Moment) {
        let mut ledger = self.ledger.lock();
        self.listening_since.fetch_max(now.millis(), Relaxed);
        ledger.contact = ledger.contact.map(|since| since.max(now));
    }

    /// Records that this collector cannot read the reports of others, or that they cannot write them.
    pub fn lose_contact(&self) {
        self.ledger.lock().contact = None;
    }

    /// Records that the reports of others can be read again from now on.
    pub fn regain_contact(&self, now: Moment) {
        self.ledger.lock().contact.get_or_insert(now);
    }

    /// Forgets all observed intervals.
    #[cfg(test)]
    pub(super) fn forget_intervals(&self) {
        let leases = self.leases.pin();
        leases
            .places()
            .for_each(|lease| lease.pace.decay(Duration::MAX));
    }

    /// The number of leases, including removed ones that a wheel still has an entry for.
    #[cfg(test)]
    pub(super) fn leases(&self) -> usize {
        let leases = self.leases.pin();
        let is_in_use = |lease: &&Lease| !lease.is_removed() || lease.standing().is_in_a_wheel();
        leases.places().filter(is_in_use).count()
    }

    fn listening_since(&self) -> Moment {
        Moment::from_millis(self.listening_since.load(Relaxed))
    }

    /// The terms of the lessor, overridden by those of a lease.
    fn terms_at(&self, index: TermsIndex) -> Terms {
        let own = self.own_terms.get(index);
        own.map_or(self.terms, |own| self.terms.with(own))
    }

    fn silent_after(&self, index: TermsIndex) -> Duration {
        let own = self.own_terms.get(index);
        own.map_or(self.terms.silent_after, |own| own.silent_after)
    }

    /// The default time of the next check of a lease: at most one `silent_after` of the lessor from now, so that shorter terms take
    /// effect by then.
    fn next_check(&self, index: TermsIndex, now: Moment) -> Moment {
        now.after(self.silent_after(index).min(self.terms.silent_after))
    }

    /// A part of [`Terms::spread`], constant for an instance and evenly distributed over instances.
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
