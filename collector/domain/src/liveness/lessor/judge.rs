//! Decides when an instance is silent, and when it is down.

use std::time::Duration;

use super::{
    Evidence, Flag, Group, Key, Lease, LeaseRecord, Ledger, Lessor, Moment, Renewal, Signal, State,
    Terms, TermsIndex,
};
use crate::liveness::Transition;

/// The part of the term by which the usual interval shrinks at each check. The usual interval lengthens the term while it is above
/// two thirds of it ([`Terms::of`]). An interval that was observed once shrinks below that within a few checks. A repetition
/// restores it.
const DECAY: u32 = 16;
/// The time after a goodbye ([`Signal::Leave`](super::super::Signal::Leave)) in which late calls of the instance do not bring
/// it back. Calls that are under way together are processed in any order, so a heartbeat that an agent sent before its goodbye may
/// be processed after it. A process that continues sends another heartbeat later.
const GOODBYE_GRACE: Duration = Duration::from_secs(10);
/// The largest difference between the times that two collectors give one signal. Their wall clocks are adjusted, so the times
/// differ.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

impl<K: Key, G: Group> Lessor<K, G> {
    /// Marks the instances whose signals are overdue, and appends the transitions. Checks up to `limit` leases; renewals that
    /// change a state wait while it does. Returns whether the caller must call again to check the remaining leases.
    pub fn expire(&self, now: Moment, limit: usize, changed: &mut Vec<Transition<K>>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let mut budget = limit;
        while let Some(key) = ledger.wheel.pop_due(now, &mut budget) {
            if let Some(lease) = leases.place(key) {
                lease.enter(lease.standing().with(Flag::Filed, false));
                if !lease.is_removed() {
                    changed.extend(self.judge(&mut ledger, key, lease, now));
                }
            }
        }
        while let Some(key) = ledger.ended.pop_due(now, &mut budget) {
            if let Some(lease) = leases.place(key) {
                lease.enter(lease.standing().with(Flag::FiledAsEnded, false));
                if !lease.is_removed() {
                    ledger.forget(key, lease, now);
                }
            }
        }
        ledger.has_backlog(now)
    }

    /// Forgets an instance before it has been down or left for [`Terms::forget_after`]. Returns whether it is down or left. Its
    /// next signal brings it back, like that of any other instance.
    pub fn forget(&self, key: K) -> bool {
        let leases = self.leases.pin();
        let lease = leases.get(key);
        lease.is_some_and(|lease| self.ledger.lock().forget_early(key, lease))
    }

    /// Undoes [`Lessor::forget`]: the instance is in the counts and lists of its state again.
    pub fn recall(&self, key: K) {
        let leases = self.leases.pin();
        if let Some(lease) = leases.get(key) {
            self.ledger.lock().recall(key, lease);
        }
    }

    /// Records a signal that this collector observed. Returns `None` if the lease was removed.
    pub(super) fn record_signal(
        &self,
        key: K,
        lease: &Lease,
        signal: Signal,
        now: Moment,
    ) -> Option<Renewal<K>> {
        let term = |index| self.silent_after(index);
        if lease.record(signal, now, self.listening_since(), term) {
            return Some(Renewal::Kept);
        }
        self.bring_back(key, lease, now)
    }

    /// Brings back an instance whose signal was just recorded. Returns `None` if the lease was removed.
    pub(super) fn bring_back(&self, key: K, lease: &Lease, now: Moment) -> Option<Renewal<K>> {
        let mut ledger = self.ledger.lock();
        let (from, last_signal) = (lease.standing(), lease.last_signal());
        if from.has(Flag::Removed) {
            return None;
        }
        let is_late = from.state == State::Left
            && !last_signal.signal.is_arrival()
            && now < from.since.after(GOODBYE_GRACE);
        if from.state == State::Up || last_signal.signal == Signal::Leave || is_late {
            // Another renewal was faster, or a goodbye came after the signal, or the signal was sent before the goodbye.
            return Some(Renewal::Kept);
        }
        let transition = ledger.enter(key, lease, from, (State::Up, now), last_signal);
        if !from.has(Flag::Filed) {
            ledger.file(key, lease, self.next_check(from.terms, now));
        }
        ledger.update_slow(key, lease, self.silent_after(from.terms));
        Some(Renewal::Changed(transition))
    }

    /// Marks an instance as another collector reports it, unless this collector observed a later signal.
    pub(super) fn apply_end(
        &self,
        report: LeaseRecord<K>,
        lease: &Lease,
        now: Moment,
    ) -> Renewal<K> {
        let mut ledger = self.ledger.lock();
        let renewal = self.apply_state(&mut ledger, report, lease, now);
        if report.forgotten && lease.last_signal().at <= report.last_seen.after(SAME_SIGNAL) {
            ledger.forget_early(report.key, lease);
        }
        renewal
    }

    fn apply_state(
        &self,
        ledger: &mut Ledger<K, G>,
        report: LeaseRecord<K>,
        lease: &Lease,
        now: Moment,
    ) -> Renewal<K> {
        let (from, last_signal) = (lease.standing(), lease.last_signal());
        let has_later_signal = !last_signal.relayed && last_signal.at > report.last_seen;
        // A removed lease is in the last state, so it is stale here.
        let is_stale = has_later_signal || from.state >= report.state || from.has(Flag::Removed);
        if is_stale || (from.state == State::Up && !lease.silence(last_signal, now)) {
            return Renewal::Kept;
        }
        let transition = ledger.enter(report.key, lease, from, (report.state, now), last_signal);
        Renewal::Changed(Transition {
            is_reported: true,
            term: self.term_to(report.state, lease),
            ..transition
        })
    }

    /// Decides about a lease whose entry came due, and files its next entry unless it is down.
    fn judge(
        &self,
        ledger: &mut Ledger<K, G>,
        key: K,
        lease: &Lease,
        now: Moment,
    ) -> Option<Transition<K>> {
        let term = self.silent_after(lease.standing().terms);
        ledger.update_slow(key, lease, term);
        let from = lease.standing();
        if from.state >= State::Down {
            return None;
        }
        let evidence = lease.last_signal();
        let next_check = self.next_check(from.terms, now);
        let due = match from.state {
            State::Up => self.silent_at(ledger, key, lease, evidence),
            _ => self.down_at(ledger, key, lease, evidence),
        };
        let due = due.unwrap_or(next_check);
        if due > now {
            // Only the collector that observed an interval lets it decay, and only while signals come: an interval that fades
            // after the last signal would be wrong evidence for the silence.
            let is_overdue = now.since(evidence.at) > lease.pace.usual();
            if from.state == State::Up && !evidence.relayed && !is_overdue {
                lease.pace.decay(term / DECAY);
            }
            ledger.file(key, lease, due.min(next_check));
            return None;
        }
        let to = match from.state {
            State::Up if !lease.silence(evidence, now) => {
                ledger.file(key, lease, next_check);
                return None;
            }
            State::Up => State::Silent,
            _ => State::Down,
        };
        let transition = ledger.enter(key, lease, from, (to, now), evidence);
        if to == State::Silent {
            let silence = self.silence(lease);
            ledger.file(key, lease, next_check.min(now.after(silence)));
        }
        Some(Transition {
            term: self.term_to(to, lease),
            ..transition
        })
    }

    /// The time at which an instance becomes silent without another signal; `None` while that is unknown.
    fn silent_at(
        &self,
        ledger: &Ledger<K, G>,
        key: K,
        lease: &Lease,
        evidence: Evidence,
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

    /// The time at which a silent instance becomes down; `None` while that is unknown.
    fn down_at(
        &self,
        ledger: &Ledger<K, G>,
        key: K,
        lease: &Lease,
        evidence: Evidence,
    ) -> Option<Moment> {
        // If the term has started anew, the instance is no longer silent, and a signal may wait for the lock to bring it back.
        let silent_at = self.silent_at(ledger, key, lease, evidence)?;
        let silent_since = lease.standing().since.max(silent_at);
        let down_at = silent_since.after(self.silence(lease));
        if !self.terms.is_shared() {
            return Some(down_at);
        }
        // Its agent may have moved, and the collector that now receives its signals needs time to report them.
        Some(down_at.max(ledger.contact?.after(self.terms.relay)))
    }

    /// The terms that apply to a lease: its own as they are; those of the lessor lengthened for its usual interval.
    fn terms_of(&self, lease: &Lease) -> Terms {
        match lease.standing().terms {
            TermsIndex::DEFAULT => self.terms.of(lease.pace.usual()),
            own => self.terms_at(own),
        }
    }

    /// The time without a signal after which a lease is in this state.
    fn term_to(&self, state: State, lease: &Lease) -> Duration {
        match state {
            State::Silent => self.terms_of(lease).silent_after,
            State::Down => self.terms_of(lease).down_after,
            State::Up | State::Left => Duration::ZERO,
        }
    }

    /// The time from silent to down.
    fn silence(&self, lease: &Lease) -> Duration {
        let terms = self.terms_of(lease);
        terms.down_after.saturating_sub(terms.silent_after)
    }
}
