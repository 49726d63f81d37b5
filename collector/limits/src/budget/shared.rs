//! Charges for memory that several owners hold at the same time. The memory is charged once, from its first owner until the last
//! one drops it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{Budget, OverBudget};

/// The charges of one budget for shared memory, by place.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<Place, Weak<Shared>>>);

/// The address and the length of a piece of memory. No two pieces that are alive have the same place.
type Place = (usize, usize);

/// The charge for a piece of memory. Every owner of the memory holds it, and drops it after the memory.
#[derive(Debug)]
#[must_use = "dropping the last one releases the bytes"]
pub struct Shared {
    place: Place,
    budget: Budget,
    /// The charge to the whole budget, if `budget` is the share of a peer.
    #[expect(dead_code, reason = "held until the bytes are dropped")]
    whole: Option<Arc<Shared>>,
}

impl Budget {
    /// Charges the memory behind `bytes`, unless another owner has charged it and still holds the charge. If the last owner is just
    /// dropping its charge, both charges exist for a moment. The memory counts once in the share of each peer that holds
    /// it, and once in the whole budget.
    ///
    /// # Errors
    /// The budget would exceed its limit. Nothing is charged, and the refusal is counted.
    pub fn try_charge_shared(&self, bytes: &[u8]) -> Result<Arc<Shared>, OverBudget> {
        let place = place_of(bytes);
        let mut places = self.0.places.0.lock();
        if let Some(shared) = places.get(&place).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        self.take_own(bytes.len(), 0)?;
        let whole = self.parent().map(|whole| whole.try_charge_shared(bytes));
        let whole = whole
            .transpose()
            .inspect_err(|_over| self.release_own(bytes.len()))?;
        let budget = self.clone();
        let shared = Arc::new(Shared {
            place,
            budget,
            whole,
        });
        places.insert(place, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Whether [`Budget::try_charge_shared`] would succeed now: another owner has charged the memory behind `bytes`, or there is
    /// room for it. Nothing is charged, and no refusal is counted.
    #[must_use]
    pub fn has_room_shared(&self, bytes: &[u8]) -> bool {
        let is_charged = |shared: &Weak<Shared>| shared.strong_count() > 0;
        let places = self.0.places.0.lock();
        if places.get(&place_of(bytes)).is_some_and(is_charged) {
            return true;
        }
        drop(places);
        let has_whole = |whole: &Self| whole.has_room_shared(bytes);
        self.has_own_room(bytes.len()) && self.parent().is_none_or(has_whole)
    }
}

fn place_of(bytes: &[u8]) -> Place {
    (bytes.as_ptr().addr(), bytes.len())
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut places = self.budget.0.places.0.lock();
        // Another owner may have charged the same place since the last owner dropped this charge.
        let is_own = |shared: &Weak<Self>| shared.strong_count() == 0;
        if places.get(&self.place).is_some_and(is_own) {
            places.remove(&self.place);
        }
        drop(places);
        let (_address, bytes) = self.place;
        self.budget.release_own(bytes);
    }
}
