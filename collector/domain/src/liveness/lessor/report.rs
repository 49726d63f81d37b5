//! What the lessor shows of its leases.

use super::{
    Counts, Group, Key, Lease, LeaseRecord, LeaseTerms, LeaseView, Lessor, Moment, Slow, State,
    Tally,
};

impl<K: Key, G: Group> Lessor<K, G> {
    /// The lease of an instance. State and last signal are read one after the other, so a renewal may fall between.
    #[must_use]
    pub fn view(&self, key: K) -> Option<LeaseView> {
        let leases = self.leases.pin();
        let lease = leases.get(&key).filter(|lease| !lease.is_removed())?;
        let terms = self.terms_at(lease.standing().terms);
        Some(lease.view(LeaseTerms {
            silent_after: terms.silent_after,
            down_after: terms.down_after,
        }))
    }

    /// How many leases there are at present.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.lock().counts()
    }

    /// How many leases of a group are in each state. Reads a counter, however many there are.
    #[must_use]
    pub fn tally(&self, group: G) -> Tally {
        self.ledger.lock().tallies.of(group)
    }

    /// Those that are up or silent and whose usual interval is longer than the configured term; `None` if there are none.
    #[must_use]
    pub fn slow(&self) -> Option<Slow<K>> {
        self.ledger.lock().slow()
    }

    /// What this collector has to report of an instance; `None` if it has no lease, or is up on the evidence of another collector,
    /// which is for that one to report.
    #[must_use]
    pub fn record(&self, key: K) -> Option<LeaseRecord<K>> {
        let leases = self.leases.pin();
        let lease = leases.get(&key).filter(|lease| !lease.is_removed())?;
        self.report(key, lease)
    }

    /// Appends what there is to report ([`Lessor::record`]) of those of `keys` that were seen or changed their state at `since`
    /// or later.
    pub fn changed_since(
        &self,
        since: Moment,
        keys: impl IntoIterator<Item = K>,
        records: &mut Vec<LeaseRecord<K>>,
    ) {
        let leases = self.leases.pin();
        records.extend(keys.into_iter().filter_map(|key| {
            let lease = leases.get(&key).filter(|lease| !lease.is_removed())?;
            let has_changed = lease.standing().since >= since || lease.heard().at >= since;
            has_changed.then(|| self.report(key, lease)).flatten()
        }));
    }

    fn report(&self, key: K, lease: &Lease) -> Option<LeaseRecord<K>> {
        let (standing, heard) = (lease.standing(), lease.heard());
        let is_anothers = heard.relayed && standing.state == State::Up;
        let terms = self.terms_at(standing.terms);
        (!is_anothers).then(|| LeaseRecord {
            key,
            last_seen: heard.at,
            signal: heard.signal,
            state: standing.state,
            usual: terms.worth_reporting(lease.pace.usual()),
        })
    }
}
