//! The keeper of the leases.

mod judge;
mod ledger;
mod terms;

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Closed, ConnectionId, LeaseRecord, LeaseView, Renewal, Signal, State, Terms,
    lease::{Flag, Heard, Lease, Standing},
    pace::Pace,
};
use crate::{InstanceId, Moment, id::IdMap};
use ledger::Ledger;
pub use ledger::{Counts, Slow};

/// Grants, renews and expires leases. Shared: every method takes `&self`, from any thread.
///
/// # How renewing and expiring meet
///
/// Renewing an instance that is up takes no lock: it notes the signal, sees that the instance is up, and is done. All
/// else, expiring above all, happens under one lock, and only there is a state written. Whoever renews an instance that
/// is not up waits for the lock and then, if it is still not up, brings it back. `lease.rs` says how no renewal is
/// lost on the way. So a renewed instance ends up, and the transitions that are reported are those that happened.
///
/// Marking a silent instance down needs no care: a renewal sees that it is not up, whether it finds it silent or down.
///
/// # What a term is counted from
///
/// Not from the last signal alone: silence is evidence only of the time in which somebody listened. A signal that came to this
/// collector counts from when the collector began to listen ([`Lessor::resume`]), if that is later; one that came to another
/// collector, from when this one began to read without a break what others report ([`Lessor::regain_contact`]). While it cannot
/// read that, no such instance expires, and none at all is given up as down: its agent may beat elsewhere.
///
/// # The wheel is lazy
///
/// Renewing does not touch the timing wheel. Each lease that is up or silent has exactly one entry in it, never filed later
/// than one `silent_after` ahead of the look that filed it; when the entry comes due and the lease has been renewed
/// since, it is filed again at the new deadline. A second wheel has those that are down or left, until they are forgotten.
pub struct Lessor {
    terms: Terms,
    /// Since when this collector has listened without a break, in milliseconds.
    listening_since: AtomicI64,
    leases: IdMap<InstanceId, Lease>,
    ledger: Mutex<Ledger>,
}

impl Lessor {
    /// Without any lease. It listens, and is in contact, from moment 0 on.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            listening_since: AtomicI64::new(0),
            leases: IdMap::default(),
            ledger: Mutex::new(Ledger::new(&terms)),
            terms,
        }
    }

    /// The terms it was made with.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Makes room for leases that are about to be restored; see
    /// [`Allocator::reserve`](crate::inventory::Allocator::reserve).
    pub fn reserve(&self, leases: usize) {
        self.leases.pin().reserve(leases);
        self.ledger.lock().reserve(leases);
    }

    /// Gives an instance a lease; renews it if it has one.
    pub fn grant(&self, instance: InstanceId, signal: Signal, now: Moment) -> Renewal {
        let deadline = now.after(self.terms.silent_after);
        let standing = Standing::new(State::Up, now);
        let lease = Lease::new(Heard::here(signal, now), standing, Pace::default());
        if self.file(instance, lease, standing, deadline) {
            return Renewal::Granted;
        }
        self.renew(instance, signal, now).unwrap_or(Renewal::Kept)
    }

    /// Brings a lease back as it was stored, with the moment of its last signal (before the start of the collector, so
    /// negative; `now`, if a clock says that it is still to come). One that was not down or left is up until a full term has
    /// been listened to.
    ///
    /// Where the store is shared the signal is none that this run has seen, and it may have come to another collector: the lease
    /// is one that was relayed. Nothing happens if the instance has a lease.
    pub fn restore(&self, stored: LeaseRecord, now: Moment) {
        let last_seen = stored.last_seen.min(now);
        let standing = match stored.state {
            State::Up | State::Silent => Standing::new(State::Up, now),
            State::Down => {
                let term = self.terms.of(stored.usual).down_after;
                Standing::new(State::Down, last_seen.after(term).min(now))
            }
            State::Left => Standing::new(State::Left, last_seen),
        };
        let heard = Heard {
            at: last_seen,
            signal: stored.signal,
            relayed: self.terms.is_shared(),
        };
        let lease = Lease::new(heard, standing, Pace::new(stored.usual));
        // Spread, so that not all are looked at in one tick.
        let deadline = now
            .after(self.terms.silent_after)
            .after(self.terms.jitter(stored.instance));
        self.file(stored.instance, lease, standing, deadline);
    }

    /// Notes a signal of an instance. `None` if it has no lease. For an instance that is up this is one look-up, one store and a
    /// few loads.
    pub fn renew(&self, instance: InstanceId, signal: Signal, now: Moment) -> Option<Renewal> {
        let leases = self.leases.pin();
        let lease = leases.get(&instance)?;
        Some(self.hear(instance, lease, signal, now))
    }

    /// As [`Lessor::renew`], for a signal that came over this connection. Gives also whether the instance was last seen on
    /// another one, so that the end of this one has to be noted in its lease ([`Lessor::close`]).
    pub fn renew_on(
        &self,
        connection: ConnectionId,
        instance: InstanceId,
        signal: Signal,
        now: Moment,
    ) -> Option<(Renewal, bool)> {
        let leases = self.leases.pin();
        let lease = leases.get(&instance)?;
        let is_new = lease.via.seen_on(connection);
        Some((self.hear(instance, lease, signal, now), is_new))
    }

    /// Notes the end of a connection in the lease of an instance that was seen on it, unless it was seen on another one since.
    pub fn close(&self, instance: InstanceId, connection: ConnectionId, closed: Closed) {
        if let Some(lease) = self.leases.pin().get(&instance) {
            lease.via.close(connection, closed);
        }
    }

    /// Notes that an instance stops on purpose: it has left, until a later signal. `None` if it has no lease.
    pub fn leave(&self, instance: InstanceId, now: Moment) -> Option<Renewal> {
        let leases = self.leases.pin();
        let lease = leases.get(&instance)?;
        let mut ledger = self.ledger.lock();
        let from = lease.standing();
        let goodbye = Heard::here(Signal::Leave, now);
        if from.state == State::Left || !lease.leave(goodbye, now) {
            return Some(Renewal::Kept);
        }
        let transition = ledger.enter(instance, lease, from, (State::Left, now), goodbye);
        Some(Renewal::Changed(transition))
    }

    /// Takes in what another collector reports of a lease. The later signal counts, whichever collector it came to. An instance
    /// that was last seen elsewhere may be quiet for [`Terms::relay`] longer. One that has no lease is given one.
    ///
    /// Whatever the other collector's clock shows, an instance that it reports up counts as seen at most [`Terms::relay`] ago,
    /// and none counts as seen later than that much from now.
    pub fn relay(&self, mut told: LeaseRecord, now: Moment) -> Renewal {
        told.last_seen = told.last_seen.min(now.after(self.terms.relay));
        if told.state == State::Up {
            told.last_seen = told.last_seen.max(now.before(self.terms.relay));
        }
        let leases = self.leases.pin();
        let Some(lease) = leases.get(&told.instance) else {
            let heard = Heard::elsewhere(told.signal, told.last_seen);
            let standing = Standing::new(told.state, now);
            let lease = Lease::new(heard, standing, Pace::new(told.usual));
            let next_look = now.after(self.terms.silent_after);
            return if self.file(told.instance, lease, standing, next_look) {
                Renewal::Granted
            } else {
                Renewal::Kept
            };
        };
        let is_news = lease.relay(told.signal, told.last_seen);
        if is_news {
            lease.pace.learn(told.usual);
        }
        match told.state {
            State::Up if is_news => self.bring_back(told.instance, lease, now),
            State::Up => Renewal::Kept,
            State::Silent | State::Down | State::Left => self.give_up(told, lease, now),
        }
    }

    /// The collector listens again from now on, or for the first time: it read its store, or the process did not run. What did
    /// not come before cannot be held against anybody.
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

    /// The lease of an instance. State and last signal are read one after the other, so a renewal may fall between.
    #[must_use]
    pub fn view(&self, instance: InstanceId) -> Option<LeaseView> {
        self.leases.pin().get(&instance).map(Lease::view)
    }

    /// How many leases there are at present.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.lock().counts()
    }

    /// Those that are up or silent and whose usual interval is longer than the configured term; `None` if there are none.
    #[must_use]
    pub fn slow(&self) -> Option<Slow> {
        self.ledger.lock().slow()
    }

    /// What this collector has to report of an instance; `None` if it has no lease, or is up on the evidence of others, which is
    /// theirs to report.
    #[must_use]
    pub fn record(&self, instance: InstanceId) -> Option<LeaseRecord> {
        self.report(instance, self.leases.pin().get(&instance)?)
    }

    /// Walks through all leases in pieces: looks at `limit` of them from place `from` on (0 to begin with), appends
    /// what there is to report ([`Lessor::record`]) of those that were seen or changed their state at `since` or later, and returns
    /// the place to go on from, `None` at the end. Leases granted during the walk come last.
    pub fn changed_since(
        &self,
        since: Moment,
        from: usize,
        limit: usize,
        records: &mut Vec<LeaseRecord>,
    ) -> Option<usize> {
        let piece = self.ledger.lock().granted(from, limit);
        let leases = self.leases.pin();
        records.extend(piece.iter().filter_map(|instance| {
            let lease = leases.get(instance)?;
            let has_changed = lease.standing().since >= since || lease.heard().at >= since;
            has_changed.then(|| self.report(*instance, lease)).flatten()
        }));
        (piece.len() == limit).then_some(from.saturating_add(limit))
    }

    fn report(&self, instance: InstanceId, lease: &Lease) -> Option<LeaseRecord> {
        let (standing, heard) = (lease.standing(), lease.heard());
        let is_anothers = heard.relayed && standing.state == State::Up;
        (!is_anothers).then(|| LeaseRecord {
            instance,
            last_seen: heard.at,
            signal: heard.signal,
            state: standing.state,
            usual: self.terms.worth_reporting(lease.pace.usual()),
        })
    }

    /// Adds a lease, unless there is one.
    fn file(
        &self,
        instance: InstanceId,
        lease: Lease,
        standing: Standing,
        deadline: Moment,
    ) -> bool {
        let mut ledger = self.ledger.lock();
        let leases = self.leases.pin();
        let Ok(lease) = leases.try_insert(instance, lease) else {
            return false;
        };
        ledger.begin(instance, lease, standing);
        if standing.state < State::Down {
            ledger.file(instance, lease, deadline);
        }
        true
    }

    /// Forgets every interval that was observed.
    #[cfg(test)]
    pub(super) fn forget_intervals(&self) {
        let leases = self.leases.pin();
        leases
            .values()
            .for_each(|lease| lease.pace.decay(Duration::MAX));
    }

    fn listening_since(&self) -> Moment {
        Moment::from_millis(self.listening_since.load(Relaxed))
    }
}

impl Terms {
    /// Whether other collectors hear of the same instances.
    pub(super) fn is_shared(&self) -> bool {
        self.relay > Duration::ZERO
    }
}

impl fmt::Debug for Lessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lessor")
            .field("terms", &self.terms)
            .field("counts", &self.counts())
            .finish()
    }
}
