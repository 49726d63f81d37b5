//! The entries of a dictionary by their ids, in blocks of neighbouring ids.
//!
//! Ids are dense, so a block costs less than a node for each entry, and a loop over ids in their order finds most entries in the
//! cache of its processor. Readers take no lock. A place is set once; a replaced entry has its block replaced with it, because
//! readers may still use the earlier one. Only one thread adds and replaces entries, and none is ever removed.

use std::{array, sync::OnceLock};

use papaya::{HashMapRef, LocalGuard};

use crate::id::{IdHashing, IdMap};

/// The number of entries in a block. A larger block costs less for each entry of a dense range of ids, and more for an id far from
/// all others, which an agent may bring after the loss of a store.
pub(super) const BLOCK: u32 = 8;

/// The places of a block.
pub(super) type Block<T> = [OnceLock<T>; BLOCK as usize];

/// See the module.
pub(super) struct Blocks<T>(IdMap<u32, Block<T>>);

/// Access to the blocks while none is freed.
pub(super) struct Pinned<'a, T>(HashMapRef<'a, u32, Block<T>, IdHashing, LocalGuard<'a>>);

impl<T> Blocks<T> {
    pub(super) fn new() -> Self {
        Self(IdMap::default())
    }

    pub(super) fn pin(&self) -> Pinned<'_, T> {
        Pinned(self.0.pin())
    }

    /// Reserves capacity for this many entries with neighbouring ids.
    pub(super) fn reserve(&self, entries: usize) {
        self.0.pin().reserve(entries / BLOCK as usize + 1);
    }
}

impl<T> Pinned<'_, T> {
    /// Whether there is a block for this id.
    pub(super) fn has_block(&self, id: i32) -> bool {
        self.0.contains_key(&number(id))
    }

    /// The entry with this id.
    #[inline]
    pub(super) fn get(&self, id: i32) -> Option<&T> {
        let (block, place) = split(id);
        self.0.get(&block)?.get(place)?.get()
    }
}

/// The number of the block of an id.
pub(super) const fn number(id: i32) -> u32 {
    split(id).0
}

impl<T: Clone> Pinned<'_, T> {
    /// Adds an entry, or replaces the one with this id. Returns whether it created a block.
    pub(super) fn put(&self, id: i32, entry: T) -> bool {
        let (number, place) = split(id);
        let block = self.0.get(&number);
        let mut entry = match block.and_then(|block| block.get(place)) {
            Some(free) => free.set(entry).err(),
            None => Some(entry),
        };
        if entry.is_none() {
            return false;
        }
        let changed = array::from_fn(|at| match entry.take_if(|_| at == place) {
            Some(entry) => OnceLock::from(entry),
            None => block.map_or_else(OnceLock::new, |block| block[at].clone()),
        });
        let is_new = block.is_none();
        self.0.insert(number, changed);
        is_new
    }
}

/// The number of the block, and the place in it.
#[inline]
const fn split(id: i32) -> (u32, usize) {
    let id = id.cast_unsigned();
    (id / BLOCK, (id % BLOCK) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_both_signs_are_found_and_replaced_among_their_neighbours() {
        let blocks = Blocks::new();
        let ids = [i32::MIN, -9, -8, -1, 1, 7, 8, i32::MAX];
        let pinned = blocks.pin();
        for id in ids {
            assert_eq!(pinned.get(id), None);
            let is_first = ![-1, 7].contains(&id);
            assert_eq!(pinned.has_block(id), !is_first, "{id}");
            assert_eq!(pinned.put(id, id.to_string()), is_first, "{id}");
        }
        let before = pinned.get(-8).unwrap();
        assert!(!pinned.put(-8, "replaced".to_owned()));
        assert_eq!(before, "-8");
        for id in ids {
            let expected = if id == -8 {
                "replaced".to_owned()
            } else {
                id.to_string()
            };
            assert_eq!(pinned.get(id), Some(&expected));
        }
        assert_eq!(pinned.get(2), None);
    }
}
