//! Limits the rate at which one peer adds to the inventory.
//!
//! Every new id takes a token from the bucket of the peer that caused it; look-ups of known keys and heartbeats take none. A
//! peer has a bucket for each [`Kind`], so that ids that merely occur in segments never use up the tokens that lost-store
//! recovery needs.
//!
//! A bucket is one number: the time at which it will be full again (the generic cell rate algorithm). Peers are hashed, with
//! a random key, onto a fixed number of buckets. So the memory is bounded for any number of addresses, no bucket is ever
//! evicted, and taking a token is one atomic exchange. Two peers rarely share a bucket; they then share its allowance.

use std::{
    array,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rollcall_limits::{Peer, Refusals};
use rollcall_metrics::Metrics;
use tokio::time::Instant;

use super::{Error, Handle};

#[cfg(test)]
mod tests;

/// The allowance of one peer, for each kind of new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tokens that are refilled per second.
    pub per_second: usize,
    /// Tokens in a full bucket.
    pub burst: usize,
}

/// The purpose of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key that has no id yet, or a known instance that reports other properties.
    Registration,
    /// A sign of life of an instance that is not in the inventory.
    Adoption,
    /// An unknown id in a segment, other than the ids of its sender.
    ForeignId,
    /// A registration that another collector forwards, for all of its agents.
    Relayed,
}

/// The buckets of all peers.
#[derive(Debug)]
pub(super) struct Rates {
    start: Instant,
    hasher: RandomState,
    tables: [Table; KINDS],
}

#[derive(Debug)]
struct Table {
    /// Nanoseconds until one token is refilled.
    interval: u64,
    /// Nanoseconds until an empty bucket is full.
    depth: u64,
    /// The time at which each bucket is full, in nanoseconds since the start.
    full_at: Box<[AtomicU64]>,
    refused: Refusals,
}

/// The key of the tokens that are refilled per second.
const KEY: &str = "register.default.max_new_per_peer";
/// The number of buckets of a kind. A power of two, so that a mask turns a hash into an index.
const BUCKETS: usize = 1 << 14;
const KINDS: usize = 4;
/// The allowance of another collector, as a multiple of an agent's. It forwards the registrations of many agents; those that are
/// refused here it commits itself.
const AGENTS_BEHIND_A_COLLECTOR: usize = 16;

impl Kind {
    const ALL: [Self; KINDS] = [
        Self::Registration,
        Self::Adoption,
        Self::ForeignId,
        Self::Relayed,
    ];

    const fn place(self) -> usize {
        match self {
            Self::Registration => 0,
            Self::Adoption => 1,
            Self::ForeignId => 2,
            Self::Relayed => 3,
        }
    }

    /// The reason in the metrics.
    const fn label(self) -> &'static str {
        match self {
            Self::Registration => "registrations",
            Self::Adoption => "adoptions",
            Self::ForeignId => "held_ids",
            Self::Relayed => "relayed_registrations",
        }
    }
}

impl Rates {
    pub(super) fn new(limits: Limits, metrics: &Metrics) -> Self {
        let table = |place: usize| {
            let kind = Kind::ALL[place];
            let times = match kind {
                Kind::Relayed => AGENTS_BEHIND_A_COLLECTOR,
                Kind::Registration | Kind::Adoption | Kind::ForeignId => 1,
            };
            Table::new(limits, times, metrics.refusals(kind.label(), KEY))
        };
        Self {
            start: Instant::now(),
            hasher: RandomState::new(),
            tables: array::from_fn(table),
        }
    }

    /// Takes up to `wanted` tokens of a peer, and returns how many it got.
    pub(super) fn take(&self, kind: Kind, peer: Peer, wanted: usize) -> usize {
        let table = &self.tables[kind.place()];
        let now = at_most_u64(self.start.elapsed().as_nanos());
        let mask = BUCKETS - 1;
        let hash = usize::try_from(self.hasher.hash_one(peer) & (u64::MAX >> 32)).unwrap_or(0);
        let granted = table.take(&table.full_at[hash & mask], now, wanted);
        if granted < wanted {
            table.refused.count(peer, wanted - granted);
        }
        granted
    }
}

impl Table {
    fn new(limits: Limits, times: usize, refused: Refusals) -> Self {
        let per_second = at_most_u64(limits.per_second.saturating_mul(times)).max(1);
        let burst = at_most_u64(limits.burst.saturating_mul(times)).max(1);
        let second = at_most_u64(Duration::from_secs(1).as_nanos());
        let interval = (second / per_second).max(1);
        Self {
            interval,
            depth: interval.saturating_mul(burst),
            full_at: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            refused,
        }
    }

    fn take(&self, full_at: &AtomicU64, now: u64, wanted: usize) -> usize {
        let mut before = full_at.load(Ordering::Relaxed);
        loop {
            let base = before.max(now);
            let room = now.saturating_add(self.depth).saturating_sub(base) / self.interval;
            let granted = room.min(at_most_u64(wanted));
            if granted == 0 {
                return 0;
            }
            let after = base.saturating_add(granted * self.interval);
            match full_at.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed)
            {
                // The result is at most `wanted`, which is a usize.
                Ok(_) => return usize::try_from(granted).unwrap_or(wanted),
                Err(changed) => before = changed,
            }
        }
    }
}

impl Handle {
    /// Takes the tokens for `wanted` new ids of this handle's peer, and returns how many it got.
    pub(super) fn allowance(&self, kind: Kind, wanted: usize) -> usize {
        match self.peer {
            Some(peer) => self.shared.rates.take(kind, peer, wanted),
            None => wanted,
        }
    }

    /// Takes the token for one new id of this handle's peer.
    pub(super) fn allow_one(&self, kind: Kind) -> Result<(), Error> {
        match self.allowance(kind, 1) {
            0 => Err(Error::PeerLimit),
            _ => Ok(()),
        }
    }
}

fn at_most_u64(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}
