//! When an instance is silent, and when it is down.

use std::time::Duration;

use super::{
    Flag, Group, Heard, Key, Lease, LeaseRecord, Ledger, Lessor, Moment, Renewal, Signal, State,
    Terms, TermsIndex,
};
use crate::liveness::Transition;

/// At each look the usual interval shrinks by this part of the term: an interval that was observed once is gone after some
/// looks, and one that is observed again and again stays far above the two thirds that its term needs.
const DECAY: u32 = 16;
/// What an agent had under way when it said goodbye may arrive after that for so long, and does not bring it back.
const FAREWELL: Duration = Duration::from_secs(10);

impl<K: Key, G: Group> Lessor<K, G> {
    /// Marks the instances that sent no signal for too long, and appends what changed. Looks at up to `limit` leases, during which
    /// renewals that change a state have to wait; returns whether it has to be called again to get through.
    pub fn expire(&self, now: Moment, limit: usize, changed: &mut Vec<Transition<K>>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let mut budget = limit;
        while let Some(key) = ledger.wheel.pop_due(now, &mut budget) {
            if let Some(lease) = leases.get(&key) {
                lease.enter(lease.standing().with(Flag::Filed, false));
                if lease.is_removed() {
                    self.drop_removed(key, lease);
                } else {
                    changed.extend(self.judge(&mut ledger, key, lease, now));
                }
            }
        }
        while let Some(key) = ledger.graves.pop_due(now, &mut budget) {
            if let Some(lease) = leases.get(&key) {
                lease.enter(lease.standing().with(Flag::Buried, false));
                if lease.is_removed() {
                    self.drop_removed(key, lease);
                } else {
                    ledger.forget(key, lease, now);
                }
            }
        }
        ledger.is_behind(now)
    }

    /// Takes a removed lease out of the map once no entry names it any more. Called under the lock.
    fn drop_removed(&self, key: K, lease: &Lease) {
        if !lease.standing().is_in_a_wheel() {
            self.leases.pin().remove(&key);
        }
    }

    /// Records a signal that came to this collector. `None` if the lease was removed.
    pub(super) fn hear(
        &self,
        key: K,
        lease: &Lease,
        signal: Signal,
        now: Moment,
    ) -> Option<Renewal<K>> {
        let term = |index| self.silent_after(index);
        if lease.hear(signal, now, self.listening_since(), term) {
            return Some(Renewal::Kept);
        }
        self.bring_back(key, lease, now)
    }

    /// Makes an instance up of which a signal was just recorded. `None` if the lease was removed.
    pub(super) fn bring_back(&self, key: K, lease: &Lease, now: Moment) -> Option<Renewal<K>> {
        let mut ledger = self.ledger.lock();
        let (from, heard) = (lease.standing(), lease.heard());
        if from.has(Flag::Removed) {
            return None;
        }
        let is_late = from.state == State::Left
            && !matches!(
                heard.signal,
                Signal::Register | Signal::Recover | Signal::Heartbeat
            )
            && now < from.since.after(FAREWELL);
        if from.state == State::Up || heard.signal == Signal::Leave || is_late {
            // Another renewal was first, or a goodbye came after the signal, or the signal was under way before the goodbye.
            return Some(Renewal::Kept);
        }
        let transition = ledger.enter(key, lease, from, (State::Up, now), heard);
        if !from.has(Flag::Filed) {
            ledger.file(key, lease, self.next_look(from.terms, now));
        }
        ledger.weigh(key, lease, self.silent_after(from.terms));
        Some(Renewal::Changed(transition))
    }

    /// Gives an instance up because another collector does, unless a later signal came to this one.
    pub(super) fn give_up(&self, report: LeaseRecord<K>, lease: &Lease, now: Moment) -> Renewal<K> {
        let mut ledger = self.ledger.lock();
        let (from, heard) = (lease.standing(), lease.heard());
        let is_known_better = !heard.relayed && heard.at > report.last_seen;
        // A removed lease is in the last state.
        let is_stale = is_known_better || from.state >= report.state || from.has(Flag::Removed);
        if is_stale || (from.state == State::Up && !lease.silence(heard, now)) {
            return Renewal::Kept;
        }
        let transition = ledger.enter(report.key, lease, from, (report.state, now), heard);
        Renewal::Changed(transition)
    }

    /// Decides over a lease whose entry came due, and files its next entry unless it is down.
    fn judge(
        &self,
        ledger: &mut Ledger<K, G>,
        key: K,
        lease: &Lease,
        now: Moment,
    ) -> Option<Transition<K>> {
        let term = self.silent_after(lease.standing().terms);
        ledger.weigh(key, lease, term);
        let from = lease.standing();
        if from.state >= State::Down {
            return None;
        }
        let evidence = lease.heard();
        let next_look = self.next_look(from.terms, now);
        let due = match from.state {
            State::Up => self.silent_at(ledger, key, lease, evidence),
            _ => self.down_at(ledger, key, lease, evidence),
        };
        let due = due.unwrap_or(next_look);
        if due > now {
            // What another collector observed is for that one to take back.
            if from.state == State::Up && !evidence.relayed {
                lease.pace.decay(term / DECAY);
            }
            ledger.file(key, lease, due.min(next_look));
            return None;
        }
        let to = match from.state {
            State::Up if !lease.silence(evidence, now) => {
                ledger.file(key, lease, next_look);
                return None;
            }
            State::Up => State::Silent,
            _ => State::Down,
        };
        let transition = ledger.enter(key, lease, from, (to, now), evidence);
        if to == State::Silent {
            let silence = self.silence(lease);
            ledger.file(key, lease, next_look.min(now.after(silence)));
        }
        Some(transition)
    }

    /// When an instance is silent, if nothing else comes; `None` while that cannot be known.
    fn silent_at(
        &self,
        ledger: &Ledger<K, G>,
        key: K,
        lease: &Lease,
        evidence: Heard,
    ) -> Option<Moment> {
        let terms = self.terms_of(lease);
        let term = terms.silent_after;
        let (since, term) = if evidence.relayed {
            let since = ledger.contact?.max(self.listening_since());
            (since, term.saturating_add(terms.relay))
        } else {
            (self.listening_since(), term)
        };
        let counted_from = if evidence.at < since {
            since.after(self.jitter(key))
        } else {
            evidence.at
        };
        Some(counted_from.after(term))
    }

    /// When an instance that is silent is down; `None` while that cannot be known.
    fn down_at(
        &self,
        ledger: &Ledger<K, G>,
        key: K,
        lease: &Lease,
        evidence: Heard,
    ) -> Option<Moment> {
        // It is not silent any more where the count began anew, and a signal may wait for the lock to bring it back.
        let silent_at = self.silent_at(ledger, key, lease, evidence)?;
        let silent_since = lease.standing().since.max(silent_at);
        let down_at = silent_since.after(self.silence(lease));
        if !self.terms.is_shared() {
            return Some(down_at);
        }
        // Its agent may have moved, and the collector that now receives its signals needs time to report them.
        Some(down_at.max(ledger.contact?.after(self.terms.relay)))
    }

    /// The terms that a lease is judged by: its own as they are, those of the lessor as long as its usual interval needs them.
    fn terms_of(&self, lease: &Lease) -> Terms {
        match lease.standing().terms {
            TermsIndex::DEFAULT => self.terms.of(lease.pace.usual()),
            own => self.terms_at(own),
        }
    }

    /// How long it stays silent before it is down.
    fn silence(&self, lease: &Lease) -> Duration {
        let terms = self.terms_of(lease);
        terms.down_after.saturating_sub(terms.silent_after)
    }
}
