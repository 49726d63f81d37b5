//! What is changed under the lessor's lock.

use std::time::Duration;

use super::{Flag, Heard, InstanceId, Lease, Moment, Standing, State, Terms};
use crate::liveness::{Transition, wheel::Wheel};

/// How late a lease may be found expired.
const TICK: Duration = Duration::from_millis(100);
/// Nearly seven minutes of ticks: more than the usual terms, so that most entries are looked at once.
const SLOTS: usize = 4096;

pub(super) struct Ledger {
    pub(super) wheel: Wheel<InstanceId>,
    /// Those that are down or left, and not forgotten yet.
    pub(super) graves: Wheel<InstanceId>,
    /// Since when what others report has been read without a break; `None` while it is not.
    pub(super) contact: Option<Moment>,
    /// All leases, in the order they were granted, to walk through them piece by piece.
    granted: Vec<InstanceId>,
    /// By state, those that are forgotten left out.
    counts: [usize; 4],
    forgotten: usize,
    slow: usize,
    /// The last one that was found slow.
    slow_example: Option<InstanceId>,
    forget_after: Duration,
    transitions: u64,
}

/// How many leases there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub up: usize,
    pub silent: usize,
    pub down: usize,
    pub left: usize,
    /// Down or left for [`Terms::forget_after`]; in none of the other counts.
    pub forgotten: usize,
    /// Entries in the timing wheel: those that are up or silent, and some that are not any more.
    pub filed: usize,
}

/// Instances whose agents send signals less often than the configured term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    pub count: usize,
    /// One of them, or one that was lately.
    pub example: InstanceId,
}

impl Ledger {
    pub(super) fn new(terms: &Terms) -> Self {
        let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        Self {
            wheel: Wheel::new(TICK, SLOTS),
            graves: Wheel::new(TICK.max(terms.forget_after / slots), SLOTS),
            contact: Some(Moment::from_millis(0)),
            granted: Vec::new(),
            counts: [0; 4],
            forgotten: 0,
            slow: 0,
            slow_example: None,
            forget_after: terms.forget_after,
            transitions: 0,
        }
    }

    pub(super) fn reserve(&mut self, leases: usize) {
        self.granted.reserve_exact(leases);
    }

    pub(super) fn granted(&self, from: usize, limit: usize) -> Vec<InstanceId> {
        self.granted
            .iter()
            .skip(from)
            .take(limit)
            .copied()
            .collect()
    }

    pub(super) fn counts(&self) -> Counts {
        let [up, silent, down, left] = self.counts;
        Counts {
            up,
            silent,
            down,
            left,
            forgotten: self.forgotten,
            filed: self.wheel.len(),
        }
    }

    pub(super) fn slow(&self) -> Option<Slow> {
        let example = self.slow_example.filter(|_| self.slow > 0)?;
        Some(Slow {
            count: self.slow,
            example,
        })
    }

    pub(super) fn is_behind(&self, now: Moment) -> bool {
        self.wheel.is_behind(now) || self.graves.is_behind(now)
    }

    /// Counts a lease that is new.
    pub(super) fn begin(&mut self, instance: InstanceId, lease: &Lease, standing: Standing) {
        self.granted.push(instance);
        self.counts[standing.state as usize] += 1;
        self.bury(instance, lease);
    }

    /// Files the entry of a lease that is up or silent and has none.
    pub(super) fn file(&mut self, instance: InstanceId, lease: &Lease, deadline: Moment) {
        self.wheel.insert(instance, deadline);
        lease.enter(lease.standing().with(Flag::Filed, true));
    }

    /// Makes a change of state, and counts it.
    pub(super) fn enter(
        &mut self,
        instance: InstanceId,
        lease: &Lease,
        from: Standing,
        (to, at): (State, Moment),
        evidence: Heard,
    ) -> Transition {
        let is_alive = to < State::Down;
        if from.has(Flag::Forgotten) {
            self.forgotten -= 1;
        } else {
            self.counts[from.state as usize] -= 1;
        }
        self.counts[to as usize] += 1;
        let is_slow = from.has(Flag::Slow);
        if is_slow && !is_alive {
            self.slow -= 1;
        }
        let entered = from
            .into(to, at)
            .with(Flag::Forgotten, false)
            .with(Flag::Slow, is_slow && is_alive);
        lease.enter(entered);
        self.bury(instance, lease);
        self.transitions += 1;
        Transition {
            number: self.transitions,
            instance,
            from: from.state,
            since: from.since,
            to,
            at,
            last_seen: evidence.at,
            signal: evidence.signal,
        }
    }

    /// Counts an instance that is up or silent if its signals come less often than the configured term.
    pub(super) fn weigh(&mut self, instance: InstanceId, lease: &Lease, term: Duration) {
        let standing = lease.standing();
        let is_slow = standing.state < State::Down && lease.pace.is_slower_than(term);
        match (standing.has(Flag::Slow), is_slow) {
            (false, true) => {
                self.slow += 1;
                self.slow_example = Some(instance);
            }
            (true, false) => self.slow -= 1,
            _ => return,
        }
        lease.enter(standing.with(Flag::Slow, is_slow));
    }

    /// Files the entry of a lease that is down or left and has none yet.
    fn bury(&mut self, instance: InstanceId, lease: &Lease) {
        let standing = lease.standing();
        if standing.state >= State::Down && !standing.has(Flag::Buried) {
            self.graves
                .insert(instance, standing.since.after(self.forget_after));
            lease.enter(standing.with(Flag::Buried, true));
        }
    }

    /// Decides over a lease whose entry among the graves came due: whether it has been down or left for long enough.
    pub(super) fn forget(&mut self, instance: InstanceId, lease: &Lease, now: Moment) {
        let standing = lease.standing().with(Flag::Buried, false);
        lease.enter(standing);
        if standing.state < State::Down {
            return;
        }
        if standing.since.after(self.forget_after) > now {
            return self.bury(instance, lease);
        }
        self.counts[standing.state as usize] -= 1;
        self.forgotten += 1;
        lease.enter(standing.with(Flag::Forgotten, true));
    }
}
