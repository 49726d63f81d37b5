//! The end of a lease: its agent reports its own end, or the owner of the lessor removes the lease.

use super::{Evidence, Flag, Group, Key, Lessor, Moment, Renewal, Signal, State};

/// The most attempts to mark a lease as left while signals of its instance arrive.
const MARKS: usize = 16;

impl<K: Key, G: Group> Lessor<K, G> {
    /// Records that an instance stops on purpose: it counts as left until a later signal. Returns `None` if it has no lease.
    pub fn leave(&self, key: K, now: Moment) -> Option<Renewal<K>> {
        let leases = self.leases.pin();
        let lease = leases.get(key)?;
        let mut ledger = self.ledger.lock();
        let from = lease.standing();
        if from.has(Flag::Removed) {
            return None;
        }
        let goodbye = Evidence::observed(Signal::Leave, now);
        if from.state == State::Left {
            return Some(Renewal::Kept);
        }
        // A late call that is processed at the same time undoes the mark, and does not count.
        let mut attempts = 0..MARKS;
        while !lease.leave(goodbye, now) {
            if attempts.next().is_none() || lease.last_signal().signal.is_arrival() {
                return Some(Renewal::Kept);
            }
        }
        let transition = ledger.enter(key, lease, from, (State::Left, now), goodbye);
        Some(Renewal::Changed(transition))
    }

    /// Removes a lease in any state. Returns `false` if there is none. It reports no transition, because the caller made the
    /// change.
    pub fn remove(&self, key: K) -> bool {
        self.remove_if(key, |_| true)
    }

    /// Removes a lease that is down or left. Returns `false` if there is none, or if a signal has brought it back.
    ///
    /// An owner that drops down instances calls this for each transition to down, and drops the instance if the result is `true`. A
    /// later signal finds no lease.
    pub fn remove_expired(&self, key: K) -> bool {
        self.remove_if(key, |state| state >= State::Down)
    }

    fn remove_if(&self, key: K, condition: impl FnOnce(State) -> bool) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let Some(lease) = leases.get(key) else {
            return false;
        };
        let standing = lease.standing();
        if standing.has(Flag::Removed) || !condition(standing.state) {
            return false;
        }
        ledger.end(key, lease);
        true
    }
}
