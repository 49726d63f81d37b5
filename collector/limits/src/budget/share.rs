//! The shares of peers in a budget.
//!
//! A share exists as long as a connection or a charge of its peer holds it. So there are never more shares than connections and
//! charges, and a peer that closes its connections and connects again still has the charges that it left behind.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::{Budget, Ledger, OverBudget, Scope};
use crate::Peer;

/// The part of a budget that one peer may hold: three quarters, so that it never shuts out all others.
const PART: (usize, usize) = (3, 4);

/// The least time between two warnings about one budget.
const INTERVAL: Duration = Duration::from_secs(10);

/// The shares in one budget.
#[derive(Debug, Default)]
pub(super) struct Shares {
    peers: Mutex<HashMap<Peer, Weak<Ledger>>>,
    warned: Mutex<Option<Instant>>,
}

/// Bytes that count in the share of a peer and that a charge to the whole budget covers.
#[derive(Debug)]
#[must_use = "dropping it releases its bytes"]
pub struct OfShare {
    share: Budget,
    bytes: usize,
}

/// The part of this many bytes that one peer may hold.
pub(super) const fn of(bytes: usize) -> usize {
    let (part, whole) = PART;
    bytes - bytes.div_ceil(whole) * (whole - part)
}

impl Budget {
    /// The share of `peer` in this budget. What is charged to it is charged to the budget too.
    #[must_use]
    pub fn share(&self, peer: Peer) -> Self {
        let Scope::Whole(whole) = &self.0.scope else {
            return self.clone();
        };
        let new = || {
            let whole = self.clone();
            Self::with(self.limit_per_peer(), Scope::Share { whole, peer })
        };
        match whole.shares.peers.lock().entry(peer) {
            Entry::Occupied(mut entry) => match entry.get().upgrade() {
                Some(ledger) => Self(ledger),
                None => {
                    let share = new();
                    entry.insert(Arc::downgrade(&share.0));
                    share
                }
            },
            Entry::Vacant(entry) => {
                let share = new();
                entry.insert(Arc::downgrade(&share.0));
                share
            }
        }
    }

    /// The most bytes that one peer may hold.
    #[must_use]
    pub fn limit_per_peer(&self) -> usize {
        self.whole().limit_per_peer
    }

    /// The number of peers that have a share now.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.whole().shares.peers.lock().len()
    }
}

impl OfShare {
    /// Counts `bytes` in `share`.
    ///
    /// # Errors
    /// The share has no room. The refusal is counted.
    pub fn new(share: &Budget, bytes: usize) -> Result<Self, OverBudget> {
        let bytes = if share.parent().is_some() { bytes } else { 0 };
        share.take_own(bytes, 0)?;
        let share = share.clone();
        Ok(Self { share, bytes })
    }
}

impl Drop for OfShare {
    fn drop(&mut self) {
        self.share.release_own(self.bytes);
    }
}

impl Shares {
    /// Logs that a share has no room: at most once in each [`INTERVAL`], so that a refused peer does not fill the log.
    pub(super) fn warn(&self, peer: Peer, over: OverBudget) {
        let now = Instant::now();
        let mut warned = self.warned.lock();
        if warned.is_some_and(|before| now.duration_since(before) < INTERVAL) {
            return;
        }
        *warned = Some(now);
        drop(warned);
        let OverBudget { budget, limit, .. } = over;
        let class = peer.class().label();
        warn!(budget, %peer, class, limit, "a peer has used up its share of a memory budget, it gets no more until it frees some");
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let Scope::Share { whole, peer } = &self.scope else {
            return;
        };
        let mut peers = whole.whole().shares.peers.lock();
        // Since the last owner dropped it, the peer may have a new one.
        if let Entry::Occupied(entry) = peers.entry(*peer)
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
    }
}
