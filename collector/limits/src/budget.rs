//! Memory budgets: the one model of cost for all memory that the collector holds on behalf of its peers.
//!
//! A [`Budget`] is a named limit in bytes. Code charges it *before* it allocates memory and holds the [`Charge`] for exactly as
//! long as it holds the memory; dropping the charge releases the bytes. A request for which its budget has no room is refused,
//! so a busy or hostile peer costs itself an error and never costs the process its memory.
//!
//! Memory that several owners share is charged once ([`Budget::try_charge_shared`]).
//!
//! A budget does not wait and does not queue. It counts the bytes that its callers declare, so a low estimate is a bug of the
//! caller. The metrics show every budget as a gauge, a limit and a counter of refusals, labelled with its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

mod shared;
#[cfg(test)]
mod tests;

pub use shared::Shared;

/// A process-wide limit on the bytes held for one purpose. Cheap to clone; clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Ledger>);

#[derive(Debug)]
struct Ledger {
    name: &'static str,
    limit: usize,
    held: AtomicUsize,
    refused: AtomicU64,
    places: shared::Places,
}

/// Bytes charged to a [`Budget`]; dropping it releases them.
#[derive(Debug)]
#[must_use = "dropping a charge releases its bytes"]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

/// The budget has no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory budget `{budget}` is exhausted ({limit} bytes), try again later")]
pub struct OverBudget {
    /// The name of the budget.
    pub budget: &'static str,
    /// Its limit in bytes.
    pub limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes. `name` labels it in metrics and errors.
    #[must_use]
    pub fn new(name: &'static str, limit: usize) -> Self {
        Self(Arc::new(Ledger {
            name,
            limit,
            held: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            places: shared::Places::default(),
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

    /// A charge of zero bytes, to be grown before memory is allocated.
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

    /// Counts requests that such an owner refused.
    pub fn record_refused(&self, requests: u64) {
        self.0.refused.fetch_add(requests, Ordering::Relaxed);
    }

    /// The name of the budget in metrics and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The most bytes that may be held.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether `bytes` could be charged now.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        let sum = self.held().checked_add(bytes);
        sum.is_some_and(|sum| sum <= self.limit())
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Charges refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Adds `bytes` unless that would leave less than `reserve`. Concurrent callers never exceed the limit together.
    fn take(&self, bytes: usize, reserve: usize) -> Result<(), OverBudget> {
        let Ledger {
            name,
            limit,
            ref held,
            ref refused,
            ..
        } = *self.0;
        let most = limit.saturating_sub(reserve);
        let within = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
        match held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_before) => Ok(()),
            Err(_held) => {
                refused.fetch_add(1, Ordering::Relaxed);
                Err(OverBudget {
                    budget: name,
                    limit,
                })
            }
        }
    }

    fn release(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
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

    /// As [`Charge::try_grow`], but leaves `reserve` bytes of the budget to callers that may use all of it. The reserve is
    /// never charged, so other callers have it at any time.
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
