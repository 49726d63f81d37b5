//! Memory budgets, which limit all memory that the collector holds on behalf of its peers.
//!
//! A [`Budget`] is a named limit in bytes. Code charges it *before* it allocates memory and holds the [`Charge`] for exactly as
//! long as it holds the memory; dropping the charge releases the bytes. A request for which its budget has no room is refused. So a
//! busy or hostile peer gets an error, and the process never runs out of memory.
//!
//! Memory that several owners share is charged once ([`Budget::try_charge_shared`]).
//!
//! One peer may hold at most three quarters of a budget, so the rest is left for the others. Code that holds memory for a peer
//! charges the peer's share ([`Budget::share`]), which charges the budget too.
//!
//! A budget does not wait and does not queue. It counts the bytes that its callers declare, so an estimate that is too low is a bug
//! of the caller. The metrics show every budget as a gauge, a limit and a counter of refusals, labelled with its name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Peer;

mod share;
mod shared;
#[cfg(test)]
mod tests;

pub use share::OfShare;
pub use shared::Shared;

/// A process-wide limit on the bytes held for one purpose, or the share of one peer in it. Cheap to clone; clones are the same
/// budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Ledger>);

#[derive(Debug)]
struct Ledger {
    limit: usize,
    held: AtomicUsize,
    places: shared::Places,
    scope: Scope,
}

/// What a limit applies to.
#[derive(Debug)]
enum Scope {
    /// All peers together.
    Whole(Whole),
    /// One peer. What it holds is charged to the whole budget too.
    Share { whole: Budget, peer: Peer },
}

#[derive(Debug)]
struct Whole {
    name: &'static str,
    refused: AtomicU64,
    /// The refusals among them because of a share.
    refused_shares: AtomicU64,
    limit_per_peer: usize,
    shares: share::Shares,
}

/// Bytes charged to a [`Budget`]; dropping it releases them.
#[derive(Debug)]
#[must_use = "dropping a charge releases its bytes"]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

/// The budget, or the share of a peer in it, has no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OverBudget {
    /// The name of the budget.
    pub budget: &'static str,
    /// Its limit in bytes, or that of the share.
    pub limit: usize,
    /// The peer whose share has no room; `None` if the whole budget has none.
    pub peer: Option<Peer>,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            budget,
            limit,
            peer,
        } = self;
        if let Some(peer) = peer {
            write!(f, "the share of {peer} in ")?;
        }
        write!(
            f,
            "the memory budget `{budget}` is exhausted ({limit} bytes), try again later"
        )
    }
}

impl Budget {
    /// A budget of `limit` bytes. `name` labels it in metrics and errors.
    #[must_use]
    pub fn new(name: &'static str, limit: usize) -> Self {
        Self::with_largest(name, limit, 0)
    }

    /// As [`Budget::new`]. One peer may charge `largest` bytes at once, the largest item, even if they are more than its part.
    #[must_use]
    pub fn with_largest(name: &'static str, limit: usize, largest: usize) -> Self {
        let whole = Whole {
            limit_per_peer: share::of(limit).max(largest).min(limit),
            name,
            refused: AtomicU64::new(0),
            refused_shares: AtomicU64::new(0),
            shares: share::Shares::default(),
        };
        Self::with(limit, Scope::Whole(whole))
    }

    fn with(limit: usize, scope: Scope) -> Self {
        Self(Arc::new(Ledger {
            limit,
            held: AtomicUsize::new(0),
            places: shared::Places::default(),
            scope,
        }))
    }

    /// Charges `bytes`.
    ///
    /// # Errors
    /// The budget would exceed its limit. Nothing is charged, and the refusal is counted.
    pub fn try_charge(&self, bytes: usize) -> Result<Charge, OverBudget> {
        let mut charge = self.nothing();
        charge.try_grow(bytes)?;
        Ok(charge)
    }

    /// A charge of zero bytes. The caller grows it before it allocates memory.
    pub fn nothing(&self) -> Charge {
        Charge {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Sets the bytes held, for an owner that counts its memory itself and charges nothing.
    pub fn record_held(&self, bytes: usize) {
        self.0.held.store(bytes, Ordering::Relaxed);
    }

    /// Counts requests that an owner which counts its memory itself has refused.
    pub fn record_refused(&self, requests: u64) {
        self.whole().refused.fetch_add(requests, Ordering::Relaxed);
    }

    /// The name of the budget in metrics and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.whole().name
    }

    /// The most bytes that may be held, of the share if it is one.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether `bytes` could be charged now.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.has_own_room(bytes) && self.parent().is_none_or(|whole| whole.has_room(bytes))
    }

    /// As [`Budget::has_room`], without the whole budget.
    fn has_own_room(&self, bytes: usize) -> bool {
        let sum = self.held().checked_add(bytes);
        sum.is_some_and(|sum| sum <= self.limit())
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Charges refused so far, to all peers.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.whole().refused.load(Ordering::Relaxed)
    }

    /// The charges among them that were refused because the share of their peer had no room.
    #[must_use]
    pub fn refused_shares(&self) -> u64 {
        self.whole().refused_shares.load(Ordering::Relaxed)
    }

    /// Adds `bytes` unless that would leave less than `reserve`.
    fn take(&self, bytes: usize, reserve: usize) -> Result<(), OverBudget> {
        let Some(whole) = self.parent() else {
            return self.take_own(bytes, reserve);
        };
        self.take_own(bytes, share::of(reserve))?;
        whole
            .take_own(bytes, reserve)
            .inspect_err(|_over| self.release_own(bytes))
    }

    fn release(&self, bytes: usize) {
        self.release_own(bytes);
        if let Some(whole) = self.parent() {
            whole.release_own(bytes);
        }
    }

    /// As [`Budget::take`], without the whole budget. Concurrent callers never exceed the limit together.
    fn take_own(&self, bytes: usize, reserve: usize) -> Result<(), OverBudget> {
        let Ledger {
            limit, ref held, ..
        } = *self.0;
        let most = limit.saturating_sub(reserve);
        let within = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
        match held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_before) => Ok(()),
            Err(_held) => Err(self.refuse()),
        }
    }

    fn release_own(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts a refusal.
    fn refuse(&self) -> OverBudget {
        let whole = self.whole();
        whole.refused.fetch_add(1, Ordering::Relaxed);
        let peer = match self.0.scope {
            Scope::Whole(_) => None,
            Scope::Share { peer, .. } => Some(peer),
        };
        let over = OverBudget {
            budget: whole.name,
            limit: self.0.limit,
            peer,
        };
        if let Some(peer) = peer {
            whole.refused_shares.fetch_add(1, Ordering::Relaxed);
            whole.shares.warn(peer, over);
        }
        over
    }

    /// The whole budget of a share.
    fn parent(&self) -> Option<&Self> {
        match &self.0.scope {
            Scope::Whole(_) => None,
            Scope::Share { whole, .. } => Some(whole),
        }
    }

    fn whole(&self) -> &Whole {
        match &self.0.scope {
            Scope::Whole(whole) => whole,
            Scope::Share { whole, .. } => whole.whole(),
        }
    }
}

impl Charge {
    /// Bytes charged.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges `bytes` more.
    ///
    /// # Errors
    /// The budget would exceed its limit. The charge is unchanged, and the refusal is counted.
    pub fn try_grow(&mut self, bytes: usize) -> Result<(), OverBudget> {
        self.try_grow_leaving(bytes, 0)
    }

    /// As [`Charge::try_grow`], but leaves `reserve` bytes of the budget to callers that may use the whole budget. Calls with a
    /// reserve never charge these bytes, so they are available to the other callers at any time.
    ///
    /// # Errors
    /// Less than the reserve would be left. The charge is unchanged, and the refusal is counted.
    pub fn try_grow_leaving(&mut self, bytes: usize, reserve: usize) -> Result<(), OverBudget> {
        if bytes > 0 {
            self.budget.take(bytes, reserve)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Releases `bytes`, or all of them if fewer are charged.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        if bytes > 0 {
            self.bytes -= bytes;
            self.budget.release(bytes);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
