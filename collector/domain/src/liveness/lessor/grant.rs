//! Creation of leases: granted, restored, or reported by another collector.

use super::{
    Evidence, Flag, Group, Key, Lease, LeaseRecord, LeaseTerms, Lessor, Moment, Observer, Pace,
    Renewal, Signal, Standing, State, TermsIndex,
};

impl<K: Key, G: Group> Lessor<K, G> {
    /// Grants an instance a lease on the terms of the lessor, or renews its lease.
    pub fn grant(&self, key: K, signal: Signal, now: Moment) -> Renewal<K> {
        self.grant_new(key, None, signal, now)
            .or_else(|| self.renew(key, signal, now))
            .unwrap_or(Renewal::Kept)
    }

    /// Grants an instance a lease on these terms (`None`: those of the lessor), or renews its lease and puts it on these terms.
    pub fn grant_on(
        &self,
        key: K,
        terms: Option<LeaseTerms>,
        signal: Signal,
        now: Moment,
    ) -> Renewal<K> {
        if let Some(granted) = self.grant_new(key, terms, signal, now) {
            return granted;
        }
        self.set_terms(key, terms);
        self.renew(key, signal, now).unwrap_or(Renewal::Kept)
    }

    fn grant_new(
        &self,
        key: K,
        terms: Option<LeaseTerms>,
        signal: Signal,
        now: Moment,
    ) -> Option<Renewal<K>> {
        let standing = Standing::new(State::Up, now, TermsIndex::DEFAULT);
        let lease = Lease::new(Evidence::observed(signal, now), standing, Pace::default());
        let is_new = self.add(key, lease, terms, |index| self.next_check(index, now));
        is_new.then_some(Renewal::Granted)
    }

    /// Puts a lease on these terms (`None`: those of the lessor). Returns `false` if there is no such lease. Shorter terms take
    /// effect at most one `silent_after` of the lessor from now. An instance that is down stays down.
    pub fn set_terms(&self, key: K, terms: Option<LeaseTerms>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let Some(lease) = leases.get(key) else {
            return false;
        };
        let before = lease.standing();
        let index = terms.map_or(TermsIndex::DEFAULT, |terms| {
            ledger.users.acquire(&self.own_terms, terms)
        });
        ledger.users.release(before.terms);
        lease.enter(before.on(index));
        ledger.update_slow(key, lease, self.silent_after(index));
        true
    }

    /// Counts a lease in its group if the group has become known.
    pub fn learn_group(&self, key: K) {
        let mut ledger = self.ledger.lock();
        if !ledger.tallies.is_unknown(key) {
            return;
        }
        let leases = self.leases.pin();
        let Some(lease) = leases.get(key) else {
            return;
        };
        let standing = lease.standing();
        if !standing.has(Flag::Removed) {
            let is_counted = !standing.has(Flag::Forgotten);
            ledger
                .tallies
                .learn(key, is_counted.then_some(standing.state));
        }
    }

    /// Restores a stored lease with the moment of its last signal: before the start of the collector, so negative, or `now` if the
    /// stored time is later. An instance that was not down or left is up until the collector has listened for a full term. The
    /// lease is on the terms of the lessor.
    ///
    /// With a shared store the lease counts as relayed: this run has not observed the signal, and it may have reached another
    /// collector. Does nothing if the instance has a lease.
    pub fn restore(&self, stored: LeaseRecord<K>, now: Moment) {
        let last_seen = stored.last_seen.min(now);
        let (state, since) = match stored.state {
            State::Up | State::Silent => (State::Up, now),
            State::Down => {
                let term = self.terms.of(stored.usual).down_after;
                (State::Down, last_seen.after(term).min(now))
            }
            State::Left => (State::Left, last_seen),
        };
        let last_signal = Evidence {
            at: last_seen,
            signal: stored.signal,
            relayed: self.terms.is_shared(),
        };
        let standing = Standing::new(state, since, TermsIndex::DEFAULT);
        let lease = Lease::new(last_signal, standing, Pace::new(stored.usual));
        if let (true, Observer::Elsewhere(member)) = (last_signal.relayed, stored.observer) {
            lease.via.seen_elsewhere(member);
        }
        // Spread, so that not all leases are checked in one tick.
        let jitter = self.jitter(stored.key);
        let first_check = |index| self.next_check(index, now).after(jitter);
        let is_new = self.add(stored.key, lease, None, first_check);
        if is_new && stored.forgotten {
            self.forget(stored.key);
        }
    }

    /// Applies a report of another collector about a lease. The later signal counts, no matter which collector observed it. An
    /// instance last seen by another collector gets [`Terms::relay`](super::Terms::relay) more time. An instance without a lease is
    /// granted one.
    ///
    /// The clock of the other collector has limited effect: an instance that it reports up counts as seen at most one relay term
    /// ago, and no instance counts as seen later than one relay term from now.
    ///
    /// An instance that the other collector left out of counts and lists is left out here too, unless a later signal is known.
    pub fn relay(&self, mut report: LeaseRecord<K>, now: Moment) -> Renewal<K> {
        report.last_seen = report.last_seen.min(now.after(self.terms.relay));
        if report.state == State::Up {
            report.last_seen = report.last_seen.max(now.before(self.terms.relay));
        }
        let leases = self.leases.pin();
        let Some(lease) = leases.get(report.key) else {
            let last_signal = Evidence::relayed(report.signal, report.last_seen);
            let standing = Standing::new(report.state, now, TermsIndex::DEFAULT);
            let lease = Lease::new(last_signal, standing, Pace::new(report.usual));
            if let Observer::Elsewhere(member) = report.observer {
                lease.via.seen_elsewhere(member);
            }
            let is_new = self.add(report.key, lease, None, |index| self.next_check(index, now));
            if !is_new {
                return Renewal::Kept;
            }
            if report.forgotten {
                self.forget(report.key);
            }
            return Renewal::Granted;
        };
        let is_news = lease.relay(report.signal, report.last_seen);
        let mut kept = Renewal::Kept;
        if is_news {
            lease.pace.learn(report.usual);
            if let Observer::Elsewhere(member) = report.observer
                && let Some(from) = lease.via.seen_elsewhere(member)
            {
                let to = report.observer;
                kept = Renewal::Moved { from, to };
            }
        }
        match report.state {
            State::Up if is_news => match self.bring_back(report.key, lease, now) {
                None | Some(Renewal::Kept) => kept,
                Some(changed) => changed,
            },
            State::Up => Renewal::Kept,
            State::Silent | State::Down | State::Left => self.apply_end(report, lease, now),
        }
    }

    /// Adds a lease, unless the key has one. Returns whether it was added.
    fn add(
        &self,
        key: K,
        lease: Lease,
        terms: Option<LeaseTerms>,
        first_check: impl FnOnce(TermsIndex) -> Moment,
    ) -> bool {
        let mut ledger = self.ledger.lock();
        let leases = self.leases.pin();
        let place = leases.place_or_new(key);
        let Some(place) = place.filter(|place| place.is_removed()) else {
            return false;
        };
        place.begin_again(&lease);
        let lease = place;
        if let Some(terms) = terms {
            let index = ledger.users.acquire(&self.own_terms, terms);
            lease.enter(lease.standing().on(index));
        }
        ledger.begin(key, lease);
        let standing = lease.standing();
        if standing.state < State::Down && !standing.has(Flag::Filed) {
            ledger.file(key, lease, first_check(standing.terms));
        }
        true
    }
}
