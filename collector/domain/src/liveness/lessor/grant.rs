//! How a lease comes to be: granted, restored, or reported by another collector.

use super::{
    Flag, Group, Heard, Key, Lease, LeaseRecord, LeaseTerms, Lessor, Moment, Pace, Renewal, Signal,
    Standing, State, TermsIndex,
};

impl<K: Key, G: Group> Lessor<K, G> {
    /// Gives an instance a lease on the terms of the lessor; renews the one that it has.
    pub fn grant(&self, key: K, signal: Signal, now: Moment) -> Renewal<K> {
        self.grant_new(key, None, signal, now)
            .or_else(|| self.renew(key, signal, now))
            .unwrap_or(Renewal::Kept)
    }

    /// Gives an instance a lease on these terms, on those of the lessor if `None`; renews the one that it has, and puts it on
    /// these terms.
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
        let lease = Lease::new(Heard::here(signal, now), standing, Pace::default());
        let is_new = self.add(key, lease, terms, |index| self.next_look(index, now));
        is_new.then_some(Renewal::Granted)
    }

    /// Puts a lease on these terms, on those of the lessor if `None`. `false` if there is no such lease. Terms that are shorter
    /// than before hold at the latest one `silent_after` of the lessor from now; an instance that is down stays so.
    pub fn set_terms(&self, key: K, terms: Option<LeaseTerms>) -> bool {
        let leases = self.leases.pin();
        let mut ledger = self.ledger.lock();
        let Some(lease) = leases.get(&key).filter(|lease| !lease.is_removed()) else {
            return false;
        };
        let before = lease.standing();
        let index = terms.map_or(TermsIndex::DEFAULT, |terms| {
            ledger.users.acquire(&self.own_terms, terms)
        });
        ledger.users.release(before.terms);
        lease.enter(before.on(index));
        ledger.weigh(key, lease, self.silent_after(index));
        true
    }

    /// Counts a lease in its group, which may have become known.
    pub fn learn_group(&self, key: K) {
        let leases = self.leases.pin();
        let Some(lease) = leases.get(&key) else {
            return;
        };
        let mut ledger = self.ledger.lock();
        let standing = lease.standing();
        if !standing.has(Flag::Removed) {
            let is_counted = !standing.has(Flag::Forgotten);
            ledger
                .tallies
                .learn(key, is_counted.then_some(standing.state));
        }
    }

    /// Brings a lease back as it was stored, with the moment of its last signal (before the start of the collector, so
    /// negative; `now`, if a clock says that it is still to come). One that was not down or left is up until a full term has
    /// been listened to. It is on the terms of the lessor.
    ///
    /// Where the store is shared the signal is none that this run has observed, and it may have come to another collector: the
    /// lease is one that was relayed. Nothing happens if the instance has a lease.
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
        let heard = Heard {
            at: last_seen,
            signal: stored.signal,
            relayed: self.terms.is_shared(),
        };
        let standing = Standing::new(state, since, TermsIndex::DEFAULT);
        let lease = Lease::new(heard, standing, Pace::new(stored.usual));
        // Spread, so that not all are looked at in one tick.
        let jitter = self.jitter(stored.key);
        let first_look = |index| self.next_look(index, now).after(jitter);
        self.add(stored.key, lease, None, first_look);
    }

    /// Applies what another collector reports of a lease. The later signal counts, whichever collector it came to. An instance
    /// that was last seen elsewhere gets [`Terms::relay`](super::Terms::relay) more time. One that has no lease is given one.
    ///
    /// Whatever the other collector's clock shows, an instance that it reports up counts as seen at most one relay term ago, and
    /// none counts as seen later than one relay term from now.
    pub fn relay(&self, mut report: LeaseRecord<K>, now: Moment) -> Renewal<K> {
        report.last_seen = report.last_seen.min(now.after(self.terms.relay));
        if report.state == State::Up {
            report.last_seen = report.last_seen.max(now.before(self.terms.relay));
        }
        let leases = self.leases.pin();
        let known = leases.get(&report.key).filter(|lease| !lease.is_removed());
        let Some(lease) = known else {
            let heard = Heard::elsewhere(report.signal, report.last_seen);
            let standing = Standing::new(report.state, now, TermsIndex::DEFAULT);
            let lease = Lease::new(heard, standing, Pace::new(report.usual));
            let is_new = self.add(report.key, lease, None, |index| self.next_look(index, now));
            return if is_new {
                Renewal::Granted
            } else {
                Renewal::Kept
            };
        };
        let is_news = lease.relay(report.signal, report.last_seen);
        if is_news {
            lease.pace.learn(report.usual);
        }
        match report.state {
            State::Up if is_news => self
                .bring_back(report.key, lease, now)
                .unwrap_or(Renewal::Kept),
            State::Up => Renewal::Kept,
            State::Silent | State::Down | State::Left => self.give_up(report, lease, now),
        }
    }

    /// Adds a lease, unless there is one.
    fn add(
        &self,
        key: K,
        lease: Lease,
        terms: Option<LeaseTerms>,
        first_look: impl FnOnce(TermsIndex) -> Moment,
    ) -> bool {
        let mut ledger = self.ledger.lock();
        let leases = self.leases.pin();
        let lease = match leases.try_insert(key, lease) {
            Ok(lease) => lease,
            Err(known) if known.current.is_removed() => {
                known.current.begin_again(&known.not_inserted);
                known.current
            }
            Err(_) => return false,
        };
        if let Some(terms) = terms {
            let index = ledger.users.acquire(&self.own_terms, terms);
            lease.enter(lease.standing().on(index));
        }
        ledger.begin(key, lease);
        let standing = lease.standing();
        if standing.state < State::Down && !standing.has(Flag::Filed) {
            ledger.file(key, lease, first_look(standing.terms));
        }
        true
    }
}
