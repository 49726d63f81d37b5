//! The instances whose claim by this collector waits to be published.
//!
//! An instance that changes often waits once. As many instances may wait as the catalog has claims, whose memory is charged, and
//! [`SPARE`] more, for instances that have ended and have no claim any more. A change without room is not recorded; once most of those
//! that wait are published, all claims are compared with all entries instead ([`Unpublished::must_compare`]).
//!
//! An instance leaves the set when it is published, and returns to it if that fails. The exchange may have accepted a write that
//! failed here, so each instance of such a write is written once more.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use parking_lot::Mutex;
use rollcall_domain::catalog::Place;
use tokio::sync::{Notify, futures::Notified};

/// The instances without a claim that may wait.
pub(super) const SPARE: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Unpublished {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    places: BTreeSet<Place>,
    /// Whether a change was not recorded.
    has_missed: bool,
}

impl Unpublished {
    /// Adds instances. `claims`: the claims that the catalog has.
    pub(super) fn add(&self, places: impl IntoIterator<Item = Place>, claims: usize) {
        let mut waiting = self.waiting.lock();
        let (before, had_missed) = (waiting.places.len(), waiting.has_missed);
        for place in places {
            if waiting.places.len() < claims + SPARE {
                waiting.places.insert(place);
            } else if !waiting.places.contains(&place) {
                waiting.has_missed = true;
            }
        }
        let has_grown = waiting.places.len() > before;
        let misses = waiting.has_missed && !had_missed;
        drop(waiting);
        if misses {
            tracing::info!(
                "catalog: too many changes of Nacos instances wait to be published, all instances will be compared instead"
            );
        }
        if has_grown {
            self.added.notify_one();
        }
    }

    /// Puts instances back that could not be published.
    pub(super) fn put_back(&self, places: BTreeSet<Place>) {
        self.waiting.lock().places.extend(places);
    }

    /// Takes up to `most` instances.
    pub(super) fn take(&self, most: usize) -> BTreeSet<Place> {
        let mut waiting = self.waiting.lock();
        let places = std::iter::from_fn(|| waiting.places.pop_first());
        places.take(most).collect()
    }

    /// Takes those of the next `most` instances after `after` that are `wanted`, and moves `after` to the last of them; `None` at the
    /// end.
    pub(super) fn take_next(
        &self,
        after: &mut Option<Place>,
        most: usize,
        wanted: impl Fn(&Place) -> bool,
    ) -> Option<BTreeSet<Place>> {
        let mut waiting = self.waiting.lock();
        let from = after.as_ref().map_or(Unbounded, Excluded);
        let next = waiting.places.range((from, Unbounded)).take(most);
        let next: Vec<_> = next.cloned().collect();
        *after = Some(next.last()?.clone());
        let next = next.into_iter();
        let taken = next.filter(|place| wanted(place) && waiting.places.remove(place));
        Some(taken.collect())
    }

    /// Whether changes were not recorded, and there is room again: fewer instances wait than [`SPARE`] has room for twice. (That none
    /// waits may never be seen while instances change all the time.) Changes after this call are recorded, so the caller compares all
    /// claims with entries that are read after it.
    pub(super) fn must_compare(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.places.len() <= SPARE / 2 && std::mem::take(&mut waiting.has_missed)
    }

    /// The number of instances that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().places.len()
    }

    /// Completes when instances were added, or after [`Unpublished::look_again`].
    pub(super) fn added(&self) -> Notified<'_> {
        self.added.notified()
    }

    /// Completes [`Unpublished::added`].
    pub(super) fn look_again(&self) {
        self.added.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::catalog::{Endpoint, ServiceKey};

    use super::*;

    fn places(ports: std::ops::Range<u16>) -> impl Iterator<Item = Place> {
        let service = ServiceKey::new("", "", "orders").unwrap();
        ports.map(move |port| {
            let endpoint = Endpoint::new("10.0.0.1", port, "").unwrap();
            (service.clone(), endpoint)
        })
    }

    #[test]
    fn changes_without_room_are_compared_later_even_if_further_instances_always_wait() {
        let unpublished = Unpublished::default();
        unpublished.add(places(0..20_000), 0);
        assert_eq!(unpublished.len(), SPARE);
        assert!(!unpublished.must_compare(), "there is no room yet");
        while unpublished.len() > SPARE / 2 {
            unpublished.take(100);
        }
        unpublished.add(places(20_000..20_001), 0);
        assert!(unpublished.must_compare());
        assert!(!unpublished.must_compare(), "once is enough");
    }
}
