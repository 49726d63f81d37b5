//! The pushes that are not acknowledged yet, and the addresses that do not acknowledge.
//!
//! A push that is not acknowledged within [`RESEND_AFTER`] is repeated with the current list. If the repetition is not acknowledged
//! within the same time, the push has failed. A newer push of the same subscription replaces it, so an older list never arrives
//! after a newer one. An address whose push failed gets no pushes for a while. The time doubles with each failure, and the first
//! acknowledgement resets it.
//!
//! Memory is bounded by the subscriptions: one push each, and one record for each failing address.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

/// The longest time to wait for an acknowledgement.
pub(super) const RESEND_AFTER: Duration = Duration::from_secs(10);
/// The time without pushes after the first failure of an address.
const FIRST_SILENCE: Duration = Duration::from_secs(20);
/// The longest time without pushes.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
/// The most failing addresses that are recorded.
const MAX_FAILING: usize = 100_000;

/// Pushes that are not acknowledged. `K` names a subscription.
#[derive(Debug)]
pub(super) struct Ledger<K> {
    pushes: HashMap<K, Push>,
    /// Subscriptions by the id of their push. Deadlines grow with ids.
    open: BTreeMap<u64, K>,
    failing: HashMap<SocketAddr, Failing>,
    last_id: u64,
    counts: Counts,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pushes that were sent, without repetitions.
    pub sent: u64,
    /// Pushes that were acknowledged.
    pub acknowledged: u64,
    /// Pushes that were sent twice and not acknowledged.
    pub failed: u64,
}

#[derive(Debug)]
struct Push {
    id: u64,
    address: SocketAddr,
    deadline: Instant,
    is_resent: bool,
}

#[derive(Debug)]
struct Failing {
    failures: u32,
    until: Instant,
}

/// The next action for a push that was not acknowledged in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<K> {
    /// Send it once more.
    Resend(K),
    /// It has failed.
    Failed(K),
}

impl<K: Clone + Eq + Hash> Ledger<K> {
    /// A ledger whose ids begin after `seed_millis`, the time since 1970. Ids stay below 2^53, the largest integer that Node
    /// can represent, and a restarted collector does not reuse those of its predecessor.
    pub(super) fn new(seed_millis: u64) -> Self {
        Self {
            pushes: HashMap::new(),
            open: BTreeMap::new(),
            failing: HashMap::new(),
            last_id: seed_millis.saturating_mul(1_000),
            counts: Counts::default(),
        }
    }

    /// The id of a new push to `address`, which replaces an earlier one of the subscription. `None` while the address gets no
    /// pushes.
    pub(super) fn push(&mut self, key: &K, address: SocketAddr, now: Instant) -> Option<u64> {
        if self.is_silenced(address, now) {
            self.cancel(key);
            return None;
        }
        self.counts.sent += 1;
        Some(self.open(key, address, false, now))
    }

    /// The id of the repetition of a push.
    pub(super) fn resend(&mut self, key: &K, address: SocketAddr, now: Instant) -> u64 {
        self.open(key, address, true, now)
    }

    /// Ends the push with this id. Returns `false` if there is none.
    pub(super) fn acknowledge(&mut self, id: u64) -> bool {
        let Some(push) = self
            .open
            .remove(&id)
            .and_then(|key| self.pushes.remove(&key))
        else {
            return false;
        };
        self.failing.remove(&push.address);
        self.counts.acknowledged += 1;
        true
    }

    /// Removes the push of a subscription that has ended.
    pub(super) fn cancel(&mut self, key: &K) {
        if let Some(push) = self.pushes.remove(key) {
            self.open.remove(&push.id);
        }
    }

    /// The next push that was not acknowledged in time, if there is one at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due<K>> {
        let (_, key) = self.open.first_key_value()?;
        let push = self.pushes.get(key)?;
        if push.deadline > now {
            return None;
        }
        let (key, address, is_resent) = (key.clone(), push.address, push.is_resent);
        self.cancel(&key);
        if !is_resent {
            return Some(Due::Resend(key));
        }
        self.counts.failed += 1;
        self.fail(address, now);
        Some(Due::Failed(key))
    }

    /// The time of the next item of [`Ledger::due`].
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let (_, key) = self.open.first_key_value()?;
        Some(self.pushes.get(key)?.deadline)
    }

    /// Whether an address gets no pushes because earlier ones failed.
    pub(super) fn is_silenced(&self, address: SocketAddr, now: Instant) -> bool {
        let failing = self.failing.get(&address);
        failing.is_some_and(|failing| now < failing.until)
    }

    /// The number of addresses with failures.
    pub(super) fn failing(&self) -> usize {
        self.failing.len()
    }

    /// Removes addresses whose pause ended long ago. Either they no longer subscribe, or their next push shows whether they answer.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.failing
            .retain(|_, failing| now < failing.until + LONGEST_SILENCE);
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    fn open(&mut self, key: &K, address: SocketAddr, is_resent: bool, now: Instant) -> u64 {
        self.cancel(key);
        self.last_id += 1;
        let id = self.last_id;
        self.open.insert(id, key.clone());
        let push = Push {
            id,
            address,
            deadline: now + RESEND_AFTER,
            is_resent,
        };
        self.pushes.insert(key.clone(), push);
        id
    }

    fn fail(&mut self, address: SocketAddr, now: Instant) {
        if self.failing.len() >= MAX_FAILING && !self.failing.contains_key(&address) {
            return;
        }
        let failing = self.failing.entry(address).or_insert(Failing {
            failures: 0,
            until: now,
        });
        let doublings = failing.failures.min(8);
        failing.failures += 1;
        failing.until = now + (FIRST_SILENCE * (1 << doublings)).min(LONGEST_SILENCE);
    }
}

#[cfg(test)]
mod tests;
