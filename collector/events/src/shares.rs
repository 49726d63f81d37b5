//! The shares of peers in one lane: how many changes one peer may cause before they are only counted.
//!
//! A limit for each instance does not bound a peer that changes a different instance each time. Without shares, such a peer would
//! displace the changes of all other peers from the journal and the timelines within minutes.
//!
//! A share is one number: the time at which it is whole again (the generic cell rate algorithm). Peers are hashed, with a random
//! key, onto a fixed number of shares. Two peers rarely get the same share; if they do, they use it together. Changes that were not
//! recorded are reported at most once a minute: by address for the peers with the most changes, and together for all others.

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    mem,
    time::Duration,
};

use rollcall_domain::Timestamp;
use rollcall_limits::Peer;

/// The number of shares.
const SHARES: usize = 1 << 12;
/// The time in which a share that is used up becomes whole again.
const PERIOD: Duration = Duration::from_secs(3600);
/// How much earlier than the latest change a change may be, without the wall clock having been set back.
const DISORDER: Duration = Duration::from_secs(1);
/// The time between two reports.
const REPORT: Duration = Duration::from_secs(60);
/// The most peers whose unrecorded changes are counted separately.
const COUNTED: usize = 256;
/// The most peers that a report names.
const NAMED: usize = 8;

/// The shares of a lane.
#[derive(Debug)]
pub(super) struct Shares {
    /// Microseconds in which a share regains one change.
    interval: i64,
    /// Microseconds in which a share becomes whole.
    depth: i64,
    whole_at: Box<[i64]>,
    /// The time by which shares are judged, in microseconds: it passes as the wall clock does, but is never set back.
    now: i64,
    /// The wall time at `now`, in microseconds.
    wall: i64,
    hashing: RandomState,
    /// Changes that were not recorded since the last report. `None` stands for peers beyond [`COUNTED`], and for changes of
    /// instances without a peer.
    unrecorded: HashMap<Option<Peer>, Unrecorded>,
    /// When the first of them was counted.
    counted_since: Option<Timestamp>,
}

/// Changes that were not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unrecorded {
    pub(super) changes: u64,
    /// The time of the first of them.
    pub(super) since: Timestamp,
}

impl Shares {
    /// Shares of this many changes.
    pub(super) fn new(changes: usize) -> Self {
        let depth = micros(PERIOD);
        let changes = i64::try_from(changes).unwrap_or(i64::MAX).max(1);
        Self {
            interval: (depth / changes).max(1),
            depth,
            whole_at: vec![0; SHARES].into(),
            now: 0,
            wall: i64::MAX,
            hashing: RandomState::new(),
            unrecorded: HashMap::new(),
            counted_since: None,
        }
    }

    /// Takes room for one more change from the share of a peer. If there is none, counts the change and returns `false`. `None`
    /// stands for all changes whose peer is unknown.
    pub(super) fn take(&mut self, peer: Option<Peer>, at: Timestamp) -> bool {
        let hash = self.hashing.hash_one(peer) & (u64::MAX >> 32);
        let place = usize::try_from(hash).unwrap_or(0) & (SHARES - 1);
        let now = self.now(at);
        let most = now.saturating_add(self.depth);
        let Some(whole_at) = self.whole_at.get_mut(place) else {
            return true;
        };
        let base = (*whole_at).max(now);
        let next = base.saturating_add(self.interval);
        if next <= most {
            *whole_at = next;
            return true;
        }
        *whole_at = base;
        self.count(peer, at);
        false
    }

    /// The time by which shares are judged, at this wall time. Changes of several threads may arrive in another order than they
    /// happened, so the wall clock counts as set back only if it is earlier by [`DISORDER`].
    fn now(&mut self, at: Timestamp) -> i64 {
        let wall = at.millis().saturating_mul(1000);
        if wall > self.wall {
            self.now = self.now.saturating_add(wall - self.wall);
        }
        if wall > self.wall || wall < self.wall.saturating_sub(micros(DISORDER)) {
            self.wall = wall;
        }
        self.now
    }

    fn count(&mut self, peer: Option<Peer>, at: Timestamp) {
        let is_counted = self.unrecorded.len() < COUNTED || self.unrecorded.contains_key(&peer);
        let unrecorded = self.unrecorded.entry(peer.filter(|_| is_counted));
        let unrecorded = unrecorded.or_insert(Unrecorded {
            changes: 0,
            since: at,
        });
        unrecorded.changes += 1;
        self.counted_since.get_or_insert(at);
    }

    /// The changes that were not recorded since the last report, by peer, and in one sum for all further peers. Empty until a
    /// report is due.
    pub(super) fn report(&mut self, at: Timestamp) -> Vec<(Option<Peer>, Unrecorded)> {
        // The wall clock may have been set back.
        let is_early = |since| at >= since && at.since(since) < REPORT;
        if self.counted_since.is_none_or(is_early) {
            return Vec::new();
        }
        self.counted_since = None;
        let mut peers: Vec<_> = mem::take(&mut self.unrecorded).into_iter().collect();
        peers.sort_unstable_by_key(|(peer, it)| (peer.is_none(), Reverse(it.changes)));
        let others = peers.split_off(peers.len().min(NAMED));
        let others = others.into_iter().map(|(_, it)| it).reduce(Unrecorded::and);
        peers.extend(others.map(|others| (None, others)));
        peers
    }
}

impl Unrecorded {
    fn and(self, other: Self) -> Self {
        Self {
            changes: self.changes + other.changes,
            since: self.since.min(other.since),
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
