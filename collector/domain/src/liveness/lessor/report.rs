//! Views, counts and reports of the leases.

use super::{
    Counts, Evidence, Flag, Group, Key, Lease, LeaseRecord, LeaseTerms, LeaseView, Lessor, Moment,
    Slow, Standing, State, Tally,
};

impl<K: Key, G: Group> Lessor<K, G> {
    /// The lease of an instance. State and last signal are read one after the other, so a renewal may happen in between.
    #[must_use]
    pub fn view(&self, key: K) -> Option<LeaseView> {
        let leases = self.leases.pin();
        let lease = leases.get(key)?;
        let terms = self.terms_at(lease.standing().terms);
        Some(lease.view(LeaseTerms {
            silent_after: terms.silent_after,
            down_after: terms.down_after,
        }))
    }

    /// The present number of leases by state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.lock().counts()
    }

    /// The number of leases of a group in each state. Reads one counter, for any number of leases.
    #[must_use]
    pub fn tally(&self, group: G) -> Tally {
        self.ledger.lock().tallies.of(group)
    }

    /// The instances that are up or silent and whose usual interval exceeds the configured term; `None` if there are none.
    #[must_use]
    pub fn slow(&self) -> Option<Slow<K>> {
        self.ledger.lock().slow()
    }

    /// The record of an instance, if this collector must report it. `None` if the instance has no lease, or is up on the evidence
    /// of another collector, which reports it itself.
    #[must_use]
    pub fn record(&self, key: K) -> Option<LeaseRecord<K>> {
        let leases = self.leases.pin();
        let lease = leases.get(key)?;
        self.report(key, lease)
    }

    /// Appends those of `keys` that this collector must report and that were seen or changed their state at `since` or later.
    pub fn changed_since(
        &self,
        since: Moment,
        keys: impl IntoIterator<Item = K>,
        changed: &mut Vec<K>,
    ) {
        let leases = self.leases.pin();
        changed.extend(keys.into_iter().filter(|key| {
            leases.get(*key).is_some_and(|lease| {
                let (standing, last_signal) = (lease.standing(), lease.last_signal());
                let has_changed = standing.since >= since || last_signal.at >= since;
                has_changed && !is_reported_elsewhere(standing, last_signal)
            })
        }));
    }

    fn report(&self, key: K, lease: &Lease) -> Option<LeaseRecord<K>> {
        let (standing, last_signal) = (lease.standing(), lease.last_signal());
        let terms = self.terms_at(standing.terms);
        (!is_reported_elsewhere(standing, last_signal)).then(|| LeaseRecord {
            key,
            last_seen: last_signal.at,
            signal: last_signal.signal,
            state: standing.state,
            usual: terms.worth_reporting(lease.pace.usual()),
            observer: lease.source(last_signal).0,
            forgotten: standing.has(Flag::Forgotten),
        })
    }
}

/// Whether an instance is up on the evidence of another collector, which reports it.
fn is_reported_elsewhere(standing: Standing, last_signal: Evidence) -> bool {
    last_signal.relayed && standing.state == State::Up
}
