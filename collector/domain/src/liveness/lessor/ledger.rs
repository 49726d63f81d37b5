//! The state that changes under the lessor's lock.

use std::time::Duration;

use super::{Evidence, Flag, Group, Key, Lease, Moment, Standing, State, Tally, Terms, TermsIndex};
use crate::liveness::{Transition, group::Tallies, terms::Users, wheel::Wheel};

/// The longest delay until an expired lease is found.
const TICK: Duration = Duration::from_millis(100);
/// Nearly seven minutes of ticks: longer than the usual terms, so that most entries are checked once.
const SLOTS: usize = 4096;

pub(super) struct Ledger<K, G> {
    pub(super) wheel: Wheel<K>,
    /// Leases that are down or left and not forgotten yet.
    pub(super) ended: Wheel<K>,
    /// The number of leases that use each pair of own terms.
    pub(super) users: Users,
    /// The time since which the reports of others have been read without a break; `None` while they cannot be read.
    pub(super) contact: Option<Moment>,
    pub(super) tallies: Tallies<K, G>,
    forgotten: usize,
    slow: usize,
    /// The instance most recently found slow.
    slow_example: Option<K>,
    forget_after: Duration,
    transitions: u64,
}

/// The number of leases by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Leases that are up.
    pub up: usize,
    /// Leases that are silent.
    pub silent: usize,
    /// Leases that are down.
    pub down: usize,
    /// Leases of instances that left.
    pub left: usize,
    /// Down or left for [`Terms::forget_after`], or forgotten before; not in the other counts.
    pub forgotten: usize,
    /// Entries in the timing wheel: those of leases that are up or silent, and some whose lease has ended since.
    pub filed: usize,
}

/// Instances whose agents send signals less often than the configured term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow<K> {
    /// The number of such leases.
    pub count: usize,
    /// One of them, or one that was slow until recently.
    pub example: K,
}

impl<K: Key, G: Group> Ledger<K, G> {
    pub(super) fn new(terms: &Terms, group_of: Box<dyn Fn(K) -> G + Send + Sync>) -> Self {
        let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        Self {
            wheel: Wheel::new(TICK, SLOTS),
            ended: Wheel::new(TICK.max(terms.forget_after / slots), SLOTS),
            contact: Some(Moment::from_millis(0)),
            users: Users::new(),
            tallies: Tallies::new(group_of),
            forgotten: 0,
            slow: 0,
            slow_example: None,
            forget_after: terms.forget_after,
            transitions: 0,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let Tally {
            up,
            silent,
            down,
            left,
        } = self.tallies.total();
        Counts {
            up,
            silent,
            down,
            left,
            forgotten: self.forgotten,
            filed: self.wheel.len(),
        }
    }

    pub(super) fn slow(&self) -> Option<Slow<K>> {
        let example = self.slow_example.filter(|_| self.slow > 0)?;
        Some(Slow {
            count: self.slow,
            example,
        })
    }

    pub(super) fn has_backlog(&self, now: Moment) -> bool {
        self.wheel.has_backlog(now) || self.ended.has_backlog(now)
    }

    /// Starts counting a new lease.
    pub(super) fn begin(&mut self, key: K, lease: &Lease) {
        self.tallies.begin(key, lease.standing().state);
        self.file_as_ended(key, lease);
    }

    /// Marks a lease as removed and stops counting it. Its entries in the wheels stay.
    pub(super) fn end(&mut self, key: K, lease: &Lease) {
        let before = lease.standing();
        self.discount(key, before);
        self.tallies.end(key);
        if before.has(Flag::Slow) {
            self.slow -= 1;
        }
        self.users.release(before.terms);
        let removed = before
            .into(State::Left, before.since)
            .on(TermsIndex::DEFAULT)
            .with(Flag::Slow, false)
            .with(Flag::Forgotten, false)
            .with(Flag::Removed, true);
        lease.enter(removed);
    }

    /// Removes a lease from the count of its state `from`.
    fn discount(&mut self, key: K, from: Standing) {
        if from.has(Flag::Forgotten) {
            self.forgotten -= 1;
        } else {
            self.tallies.remove(key, from.state);
        }
    }

    /// Files the entry of a lease that is up or silent and has none.
    pub(super) fn file(&mut self, key: K, lease: &Lease, deadline: Moment) {
        self.wheel.insert(key, deadline);
        lease.enter(lease.standing().with(Flag::Filed, true));
    }

    /// Changes the state of a lease and the counts.
    pub(super) fn enter(
        &mut self,
        key: K,
        lease: &Lease,
        from: Standing,
        (to, at): (State, Moment),
        evidence: Evidence,
    ) -> Transition<K> {
        let is_alive = to < State::Down;
        self.discount(key, from);
        self.tallies.add(key, to);
        let is_slow = from.has(Flag::Slow);
        if is_slow && !is_alive {
            self.slow -= 1;
        }
        let entered = from
            .into(to, at)
            .with(Flag::Forgotten, false)
            .with(Flag::Slow, is_slow && is_alive);
        lease.enter(entered);
        self.file_as_ended(key, lease);
        self.transitions += 1;
        let (observer, contact) = lease.source(evidence);
        Transition {
            number: self.transitions,
            key,
            from: from.state,
            since: from.since,
            to,
            at,
            last_seen: evidence.at,
            signal: evidence.signal,
            observer,
            contact,
            usual: lease.pace.usual(),
            term: Duration::ZERO,
            is_reported: false,
        }
    }

    /// Updates whether an instance that is up or silent counts as slow: its signals come less often than the configured term.
    pub(super) fn update_slow(&mut self, key: K, lease: &Lease, term: Duration) {
        let standing = lease.standing();
        let is_slow = standing.state < State::Down && lease.pace.is_slower_than(term);
        match (standing.has(Flag::Slow), is_slow) {
            (false, true) => {
                self.slow += 1;
                self.slow_example = Some(key);
            }
            (true, false) => self.slow -= 1,
            _ => return,
        }
        lease.enter(standing.with(Flag::Slow, is_slow));
    }

    /// Files the entry of a lease that is down or left and has none yet.
    fn file_as_ended(&mut self, key: K, lease: &Lease) {
        let standing = lease.standing();
        if standing.state >= State::Down && !standing.has(Flag::FiledAsEnded) {
            self.ended
                .insert(key, standing.since.after(self.forget_after));
            lease.enter(standing.with(Flag::FiledAsEnded, true));
        }
    }

    /// Forgets a lease whose entry in the second wheel came due, if it has been down or left for long enough.
    pub(super) fn forget(&mut self, key: K, lease: &Lease, now: Moment) {
        let standing = lease.standing();
        if standing.state < State::Down {
            return;
        }
        if standing.since.after(self.forget_after) > now {
            return self.file_as_ended(key, lease);
        }
        self.mark_forgotten(key, lease, standing);
    }

    /// Forgets a lease at once; `false` unless it is down or left.
    pub(super) fn forget_early(&mut self, key: K, lease: &Lease) -> bool {
        let standing = lease.standing();
        let is_over = standing.state >= State::Down && !standing.has(Flag::Removed);
        if is_over {
            self.mark_forgotten(key, lease, standing);
        }
        is_over
    }

    /// Counts a forgotten lease in its state again.
    pub(super) fn recall(&mut self, key: K, lease: &Lease) {
        let standing = lease.standing();
        if standing.has(Flag::Forgotten) {
            self.discount(key, standing);
            self.tallies.add(key, standing.state);
            lease.enter(standing.with(Flag::Forgotten, false));
            self.file_as_ended(key, lease);
        }
    }

    /// Marks a lease as forgotten and removes it from the count of its state.
    fn mark_forgotten(&mut self, key: K, lease: &Lease, standing: Standing) {
        self.discount(key, standing);
        self.forgotten += 1;
        lease.enter(standing.with(Flag::Forgotten, true));
    }
}
