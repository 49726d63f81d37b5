//! When an instance is silent, and when it is down.

use std::time::Duration;

use super::{
    Flag, Heard, InstanceId, Lease, LeaseRecord, Ledger, Lessor, Moment, Renewal, Signal, State,
};
use crate::liveness::Transition;

/// At each look the usual interval shrinks by this part of the term: an interval that was observed once is gone after some
/// looks, and one that is observed again and again stays far above the two thirds that its term needs.
const DECAY: u32 = 16;
/// What an agent had under way when it said goodbye may arrive after that for so long, and does not bring it back.
const FAREWELL: Duration = Duration::from_secs(10);

impl Lessor {
    /// Marks the instances that were quiet for too long, and appends what changed. Looks at up to `limit` leases, during which
    /// renewals that change a state have to wait; returns whether it has to be called again to get through.
    pub fn expire(&self, now: Moment, limit: usize, changed: &mut Vec<Transition>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let mut budget = limit;
        while let Some(instance) = ledger.wheel.pop_due(now, &mut budget) {
            if let Some(lease) = leases.get(&instance) {
                lease.enter(lease.standing().with(Flag::Filed, false));
                changed.extend(self.judge(&mut ledger, instance, lease, now));
            }
        }
        while let Some(instance) = ledger.graves.pop_due(now, &mut budget) {
            if let Some(lease) = leases.get(&instance) {
                ledger.forget(instance, lease, now);
            }
        }
        ledger.is_behind(now)
    }

    /// Notes a signal that came to this collector.
    pub(super) fn hear(
        &self,
        instance: InstanceId,
        lease: &Lease,
        signal: Signal,
        now: Moment,
    ) -> Renewal {
        let term = self.terms.silent_after;
        if lease.hear(signal, now, self.listening_since(), term) {
            return Renewal::Kept;
        }
        self.bring_back(instance, lease, now)
    }

    /// Makes an instance up of which a signal was just noted.
    pub(super) fn bring_back(&self, instance: InstanceId, lease: &Lease, now: Moment) -> Renewal {
        let mut ledger = self.ledger.lock();
        let (from, heard) = (lease.standing(), lease.heard());
        let is_late = from.state == State::Left
            && !matches!(
                heard.signal,
                Signal::Register | Signal::Recover | Signal::Heartbeat
            )
            && now < from.since.after(FAREWELL);
        if from.state == State::Up || heard.signal == Signal::Leave || is_late {
            // Another renewal was first, or a goodbye came after the signal, or the signal was under way before the goodbye.
            return Renewal::Kept;
        }
        let transition = ledger.enter(instance, lease, from, (State::Up, now), heard);
        if !from.has(Flag::Filed) {
            ledger.file(instance, lease, now.after(self.terms.silent_after));
        }
        ledger.weigh(instance, lease, self.terms.silent_after);
        Renewal::Changed(transition)
    }

    /// Gives an instance up because another collector does, unless a later signal came to this one.
    pub(super) fn give_up(&self, told: LeaseRecord, lease: &Lease, now: Moment) -> Renewal {
        let mut ledger = self.ledger.lock();
        let (from, heard) = (lease.standing(), lease.heard());
        let is_known_better = !heard.relayed && heard.at > told.last_seen;
        let is_stale = is_known_better || from.state >= told.state;
        if is_stale || (from.state == State::Up && !lease.silence(heard, now)) {
            return Renewal::Kept;
        }
        let transition = ledger.enter(told.instance, lease, from, (told.state, now), heard);
        Renewal::Changed(transition)
    }

    /// Decides over a lease whose entry came due, and files its next entry unless it is down.
    fn judge(
        &self,
        ledger: &mut Ledger,
        instance: InstanceId,
        lease: &Lease,
        now: Moment,
    ) -> Option<Transition> {
        ledger.weigh(instance, lease, self.terms.silent_after);
        let from = lease.standing();
        if from.state >= State::Down {
            return None;
        }
        let evidence = lease.heard();
        let next_look = now.after(self.terms.silent_after);
        let due = match from.state {
            State::Up => self.silent_at(ledger, instance, lease, evidence),
            _ => self.down_at(ledger, instance, lease, evidence),
        };
        let due = due.unwrap_or(next_look);
        if due > now {
            // What another collector observed is for that one to take back.
            if from.state == State::Up && !evidence.relayed {
                lease.pace.decay(self.terms.silent_after / DECAY);
            }
            ledger.file(instance, lease, due.min(next_look));
            return None;
        }
        let to = match from.state {
            State::Up if !lease.silence(evidence, now) => {
                ledger.file(instance, lease, next_look);
                return None;
            }
            State::Up => State::Silent,
            _ => State::Down,
        };
        let transition = ledger.enter(instance, lease, from, (to, now), evidence);
        if to == State::Silent {
            let silence = self.silence(lease);
            ledger.file(instance, lease, next_look.min(now.after(silence)));
        }
        Some(transition)
    }

    /// When an instance is silent, if nothing else comes; `None` while that cannot be known.
    fn silent_at(
        &self,
        ledger: &Ledger,
        instance: InstanceId,
        lease: &Lease,
        evidence: Heard,
    ) -> Option<Moment> {
        let term = self.terms.of(lease.pace.usual()).silent_after;
        let (since, term) = if evidence.relayed {
            let since = ledger.contact?.max(self.listening_since());
            (since, term.saturating_add(self.terms.relay))
        } else {
            (self.listening_since(), term)
        };
        let counted_from = if evidence.at < since {
            since.after(self.terms.jitter(instance))
        } else {
            evidence.at
        };
        Some(counted_from.after(term))
    }

    /// When an instance that is silent is down; `None` while that cannot be known.
    fn down_at(
        &self,
        ledger: &Ledger,
        instance: InstanceId,
        lease: &Lease,
        evidence: Heard,
    ) -> Option<Moment> {
        // It is not silent any more where the count began anew, and a signal may wait for the lock to bring it back.
        let silent_at = self.silent_at(ledger, instance, lease, evidence)?;
        let silent_since = lease.standing().since.max(silent_at);
        let down_at = silent_since.after(self.silence(lease));
        if !self.terms.is_shared() {
            return Some(down_at);
        }
        // Its agent may have moved, and the collector that hears it now needs its time to report that.
        Some(down_at.max(ledger.contact?.after(self.terms.relay)))
    }

    /// How long it stays silent before it is down.
    fn silence(&self, lease: &Lease) -> Duration {
        let terms = self.terms.of(lease.pace.usual());
        terms.down_after.saturating_sub(terms.silent_after)
    }
}
