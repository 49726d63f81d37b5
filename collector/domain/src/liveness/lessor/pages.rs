//! The leases, in pages of neighbouring numbers.

use std::array;

use papaya::{HashMapRef, LocalGuard};

use super::{Key, Lease};
use crate::id::{IdHashing, IdMap};

/// The number of leases in a page. A larger page costs less for each lease of a dense range of numbers, and more for a number far
/// from all others, which an agent may bring after the loss of a store.
const PAGE: u32 = 8;

type Page = [Lease; PAGE as usize];

/// The lease of each number, read without locks. A page stays once it exists, and so do the places in it: the place of a number
/// without a lease holds a removed lease, which the next grant starts anew.
pub(super) struct Pages(IdMap<u32, Page>);

/// Access to the pages while a page is not freed.
pub(super) struct Pinned<'a>(HashMapRef<'a, u32, Page, IdHashing, LocalGuard<'a>>);

impl Pages {
    pub(super) fn new() -> Self {
        Self(IdMap::default())
    }

    pub(super) fn pin(&self) -> Pinned<'_> {
        Pinned(self.0.pin())
    }

    /// Reserves capacity for this many leases with neighbouring numbers.
    pub(super) fn reserve(&self, leases: usize) {
        self.0.pin().reserve(leases / PAGE as usize + 1);
    }
}

impl Pinned<'_> {
    /// The lease of a key. Another thread may remove it meanwhile.
    #[inline]
    pub(super) fn get<K: Key>(&self, key: K) -> Option<&Lease> {
        self.place(key).filter(|lease| !lease.is_removed())
    }

    /// The place of a key, if its page exists: its lease, or a removed one.
    #[inline]
    pub(super) fn place<K: Key>(&self, key: K) -> Option<&Lease> {
        let (page, place) = split(key);
        self.0.get(&page)?.get(place)
    }

    /// The place of a key, in a new page if its page does not exist.
    pub(super) fn place_or_new<K: Key>(&self, key: K) -> Option<&Lease> {
        let (number, place) = split(key);
        let page = self.0.get(&number).unwrap_or_else(|| {
            let new = array::from_fn(|_| Lease::removed());
            self.0
                .try_insert(number, new)
                .unwrap_or_else(|error| error.current)
        });
        page.get(place)
    }

    /// All places in no order.
    #[cfg(test)]
    pub(super) fn places(&self) -> impl Iterator<Item = &Lease> {
        self.0.values().flatten()
    }
}

/// The number of the page, and the place in it.
#[inline]
fn split<K: Key>(key: K) -> (u32, usize) {
    let number = key.number();
    (number / PAGE, (number % PAGE) as usize)
}
