//! The keeper of the leases.

use std::{fmt, time::Duration};

use parking_lot::Mutex;

use super::{
    LeaseRecord, LeaseView, Renewal, Signal, State, Terms, Transition,
    lease::{Heard, Lease},
    wheel::Wheel,
};
use crate::{InstanceId, Moment, id::IdMap};

/// How late a lease may be found expired.
const TICK: Duration = Duration::from_millis(100);
/// Nearly seven minutes of ticks: more than the usual terms, so that most entries are looked at once.
const SLOTS: usize = 4096;

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
/// # The wheel is lazy
///
/// Renewing does not touch the timing wheel. Each lease that is not down has exactly one entry in it, never filed later
/// than one `silent_after` ahead of the look that filed it; when the entry comes due and the lease has been renewed
/// since, it is filed again at the new deadline.
pub struct Lessor {
    terms: Terms,
    leases: IdMap<InstanceId, Lease>,
    ledger: Mutex<Ledger>,
}

/// What is changed under the lock.
struct Ledger {
    wheel: Wheel<InstanceId>,
    /// All leases, in the order they were granted, to walk through them piece by piece.
    granted: Vec<InstanceId>,
    counts: [usize; 3],
    hold_until: Moment,
    transitions: u64,
}

/// How many leases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub up: usize,
    pub silent: usize,
    pub down: usize,
    /// Entries in the timing wheel; always those that are up or silent.
    pub filed: usize,
}

impl Lessor {
    /// Without any lease.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            leases: IdMap::default(),
            ledger: Mutex::new(Ledger {
                wheel: Wheel::new(TICK, SLOTS),
                granted: Vec::new(),
                counts: [0; 3],
                hold_until: Moment::from_millis(i64::MIN),
                transitions: 0,
            }),
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
        self.ledger.lock().granted.reserve_exact(leases);
    }

    /// Gives an instance a lease; renews it if it has one.
    pub fn grant(&self, instance: InstanceId, signal: Signal, now: Moment) -> Renewal {
        let deadline = now.after(self.terms.silent_after);
        let lease = Lease::new(Heard::here(signal, now), State::Up, now);
        if self.file(instance, lease, State::Up, deadline) {
            return Renewal::Granted;
        }
        self.renew(instance, signal, now).unwrap_or(Renewal::Kept)
    }

    /// Takes in a lease as it was stored, with the moment of its last signal (before the start of the collector, so
    /// negative; `now`, if a clock says that it is still to come). One that was not down gets a full term from `now` and
    /// the `jitter` on top, so that those who do not come back do not all expire at once; its first silence may be noticed
    /// late by as much. Nothing happens if the instance has a lease.
    pub fn restore(&self, stored: LeaseRecord, now: Moment, jitter: Duration) {
        let last_seen = stored.last_seen.min(now);
        let (state, since) = if stored.state == State::Down {
            let down = last_seen.after(self.terms.down_after);
            (State::Down, down.min(now))
        } else {
            (State::Up, now)
        };
        let heard = Heard::here(stored.signal, last_seen);
        let lease = Lease::new(heard, state, since);
        let deadline = now.after(self.terms.silent_after).after(jitter);
        self.file(stored.instance, lease, state, deadline);
    }

    /// Notes that an instance was heard of. `None` if it has no lease. For an instance that is up this is one look-up,
    /// one store and one load.
    pub fn renew(&self, instance: InstanceId, signal: Signal, now: Moment) -> Option<Renewal> {
        let leases = self.leases.pin();
        let lease = leases.get(&instance)?;
        if lease.hear(signal, now) {
            return Some(Renewal::Kept);
        }
        Some(self.bring_back(instance, lease, now))
    }

    /// Takes in what another collector says of a lease. The later signal counts, whoever heard it; who is up is up by
    /// [`Terms::relay`] longer when others hear of it. One that has no lease is given one.
    ///
    /// Whatever the other collector's clock says, whoever is said to be up was heard of no longer ago than [`Terms::relay`],
    /// and nobody later than that much from now.
    pub fn relay(&self, mut told: LeaseRecord, now: Moment) -> Renewal {
        told.last_seen = told.last_seen.min(now.after(self.terms.relay));
        if told.state == State::Up {
            told.last_seen = told.last_seen.max(now.before(self.terms.relay));
        }
        let leases = self.leases.pin();
        let Some(lease) = leases.get(&told.instance) else {
            let heard = Heard::elsewhere(told.signal, told.last_seen);
            let lease = Lease::new(heard, told.state, now);
            let deadline = told.last_seen.after(self.terms.relayed());
            let first_look = deadline.min(now.after(self.terms.silent_after));
            return if self.file(told.instance, lease, told.state, first_look) {
                Renewal::Granted
            } else {
                Renewal::Kept
            };
        };
        let is_news = lease.relay(told.signal, told.last_seen);
        match told.state {
            State::Up if is_news => self.bring_back(told.instance, lease, now),
            State::Up => Renewal::Kept,
            State::Silent | State::Down => self.give_up(told, lease, now),
        }
    }

    /// Makes an instance up that was just heard of.
    fn bring_back(&self, instance: InstanceId, lease: &Lease, now: Moment) -> Renewal {
        let mut ledger = self.ledger.lock();
        let from = lease.state();
        if from.0 == State::Up {
            return Renewal::Kept;
        }
        let is_filed = lease.is_filed();
        lease.enter(State::Up, now);
        if !is_filed {
            ledger
                .wheel
                .insert(instance, now.after(self.terms.silent_after));
        }
        let transition = ledger.report(instance, from, (State::Up, now), lease.heard());
        Renewal::Changed(transition)
    }

    /// Gives an instance up because another collector does, unless this one heard of it later than that one knows.
    fn give_up(&self, told: LeaseRecord, lease: &Lease, now: Moment) -> Renewal {
        let mut ledger = self.ledger.lock();
        let (from, heard) = (lease.state(), lease.heard());
        let is_known_better = !heard.relayed && heard.at > told.last_seen;
        let is_stale = is_known_better || from.0 >= told.state;
        if is_stale || (from.0 == State::Up && !lease.silence(heard, now)) {
            return Renewal::Kept;
        }
        if told.state == State::Down {
            lease.enter_down_and_filed(now);
        }
        let transition = ledger.report(told.instance, from, (told.state, now), heard);
        Renewal::Changed(transition)
    }

    /// Marks whoever was quiet for too long, and appends what changed. Looks at up to `limit` leases, during which
    /// renewals that change a state have to wait; returns whether it has to be called again to get through.
    pub fn expire(&self, now: Moment, limit: usize, changed: &mut Vec<Transition>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        if now < ledger.hold_until {
            return false;
        }
        let mut budget = limit;
        while let Some(instance) = ledger.wheel.pop_due(now, &mut budget) {
            if let Some(lease) = leases.get(&instance) {
                changed.extend(self.judge(&mut ledger, instance, lease, now));
            }
        }
        ledger.wheel.is_behind(now)
    }

    /// Lets nobody expire before this moment; for a collector that did not listen for a while itself. An earlier moment
    /// than one given before has no effect.
    pub fn hold_until(&self, moment: Moment) {
        let mut ledger = self.ledger.lock();
        ledger.hold_until = ledger.hold_until.max(moment);
    }

    /// The lease of an instance. State and last signal are read one after the other, so a renewal may fall between.
    #[must_use]
    pub fn view(&self, instance: InstanceId) -> Option<LeaseView> {
        self.leases.pin().get(&instance).map(Lease::view)
    }

    /// How many leases there are at present.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let ledger = self.ledger.lock();
        let [up, silent, down] = ledger.counts;
        Counts {
            up,
            silent,
            down,
            filed: ledger.wheel.len(),
        }
    }

    /// Walks through all leases in pieces: looks at `limit` of them from place `from` on (0 to begin with), appends those
    /// that were heard of here, changed their state here or were given up at `since` or later, and returns the place to go
    /// on from, `None` at the end. Leases granted during the walk come last.
    pub fn changed_since(
        &self,
        since: Moment,
        from: usize,
        limit: usize,
        records: &mut Vec<LeaseRecord>,
    ) -> Option<usize> {
        let piece: Vec<InstanceId> = {
            let ledger = self.ledger.lock();
            ledger
                .granted
                .iter()
                .skip(from)
                .take(limit)
                .copied()
                .collect()
        };
        let leases = self.leases.pin();
        records.extend(piece.iter().filter_map(|instance| {
            let lease = leases.get(instance)?;
            let ((state, entered), heard) = (lease.state(), lease.heard());
            let has_changed = entered >= since;
            let is_own = !heard.relayed && (heard.at >= since || has_changed);
            (is_own || has_changed && state != State::Up).then_some(LeaseRecord {
                instance: *instance,
                last_seen: heard.at,
                signal: heard.signal,
                state,
            })
        }));
        (piece.len() == limit).then_some(from.saturating_add(limit))
    }

    /// Adds a lease, unless there is one.
    fn file(&self, instance: InstanceId, lease: Lease, state: State, deadline: Moment) -> bool {
        let mut ledger = self.ledger.lock();
        if self.leases.pin().try_insert(instance, lease).is_err() {
            return false;
        }
        ledger.granted.push(instance);
        ledger.counts[state as usize] += 1;
        if state != State::Down {
            ledger.wheel.insert(instance, deadline);
        }
        true
    }

    /// Decides over a lease whose entry came due, and files its next entry unless it is down.
    fn judge(
        &self,
        ledger: &mut Ledger,
        instance: InstanceId,
        lease: &Lease,
        now: Moment,
    ) -> Option<Transition> {
        let (from, since) = lease.state();
        if from == State::Down {
            // Another collector gave it up. The entry that came due was its last one.
            lease.enter(State::Down, since);
            return None;
        }
        let evidence = lease.heard();
        let term = if evidence.relayed {
            self.terms.relayed()
        } else {
            self.terms.silent_after
        };
        let deadline = evidence.at.after(term);
        let next_look = now.after(self.terms.silent_after);
        if deadline > now {
            // It is up, or a renewal waits for the lock to bring it back.
            ledger.wheel.insert(instance, deadline.min(next_look));
            return None;
        }
        let to = if from == State::Up {
            if !lease.silence(evidence, now) {
                ledger.wheel.insert(instance, next_look);
                return None;
            }
            let down_at = now.after(self.terms.silence());
            ledger.wheel.insert(instance, next_look.min(down_at));
            State::Silent
        } else {
            let down_at = since.after(self.terms.silence());
            if down_at > now {
                ledger.wheel.insert(instance, next_look.min(down_at));
                return None;
            }
            lease.enter(State::Down, now);
            State::Down
        };
        Some(ledger.report(instance, (from, since), (to, now), evidence))
    }
}

impl Ledger {
    /// Counts a change of state that was made.
    fn report(
        &mut self,
        instance: InstanceId,
        (from, since): (State, Moment),
        (to, at): (State, Moment),
        evidence: Heard,
    ) -> Transition {
        self.counts[from as usize] -= 1;
        self.counts[to as usize] += 1;
        self.transitions += 1;
        Transition {
            number: self.transitions,
            instance,
            from,
            since,
            to,
            at,
            last_seen: evidence.at,
            signal: evidence.signal,
        }
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
