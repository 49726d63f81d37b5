//! The ids of a dictionary by the hash of their key. The entries hold the keys.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use arc_swap::ArcSwap;

/// A hash table of ids. One thread adds ids; any thread finds them without a lock. An id is never removed.
///
/// A slot is one word: half of the key's hash above the id, or 0 for an empty slot. A search compares only this word before it
/// reads an entry, and growth of the table copies only these words. So an id takes 8 bytes of a table that is at most three
/// quarters full.
pub(super) struct KeyIndex {
    slots: ArcSwap<Slots>,
    len: AtomicUsize,
}

/// The slots; their number is a power of two. An id is in the slot that its hash selects, or in the next free one.
struct Slots(Box<[AtomicU64]>);

const FEWEST_SLOTS: usize = 16;

impl KeyIndex {
    pub(super) fn new() -> Self {
        Self {
            slots: ArcSwap::from_pointee(Slots::new(FEWEST_SLOTS)),
            len: AtomicUsize::new(0),
        }
    }

    /// The first result of `is_it` among the ids whose keys may have this hash.
    pub(super) fn find<T>(&self, hash: u64, is_it: impl Fn(i32) -> Option<T>) -> Option<T> {
        let tag = tag(hash);
        let slots = self.slots.load();
        for slot in slots.from(tag) {
            let word = slot.load(Acquire);
            if word == 0 {
                return None;
            }
            let (other, id) = unpack(word);
            if other == tag
                && let Some(found) = is_it(id)
            {
                return Some(found);
            }
        }
        None
    }

    /// Adds the id of a key with this hash. The caller has already made the entry visible, and is the only thread that adds ids.
    pub(super) fn insert(&self, hash: u64, id: i32) {
        self.reserve(1);
        let word = pack(tag(hash), id);
        self.slots.load().put(word);
        self.len.fetch_add(1, Relaxed);
    }

    /// Brings the slots of these hashes into the cache of the processor. The searches for them would each wait for memory in turn;
    /// these reads do not depend on each other, so the processor waits for several at once.
    pub(super) fn touch(&self, hashes: impl Iterator<Item = u64>) {
        let slots = self.slots.load();
        let word = |hash| slots.from(tag(hash)).next().map(|slot| slot.load(Relaxed));
        hashes.for_each(|hash| {
            black_box(word(hash));
        });
    }

    /// Makes room for this many more ids.
    pub(super) fn reserve(&self, additional: usize) {
        let before = self.slots.load();
        let len = self.len.load(Relaxed).saturating_add(additional);
        let needed = len.saturating_add(len / 3).next_power_of_two();
        if needed <= before.0.len() {
            return;
        }
        let larger = Slots::new(needed);
        let words = before.0.iter().map(|slot| slot.load(Relaxed));
        words
            .filter(|word| *word != 0)
            .for_each(|word| larger.put(word));
        self.slots.store(Arc::new(larger));
    }
}

impl Slots {
    fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| AtomicU64::new(0)).collect())
    }

    /// The slots in the order of a search.
    fn from(&self, tag: u32) -> impl Iterator<Item = &AtomicU64> {
        let first = tag as usize & (self.0.len() - 1);
        let (before, after) = self.0.split_at(first);
        after.iter().chain(before)
    }

    fn put(&self, word: u64) {
        let (tag, _) = unpack(word);
        if let Some(free) = self.from(tag).find(|slot| slot.load(Relaxed) == 0) {
            free.store(word, Release);
        }
    }
}

/// The half of a hash that a slot holds.
const fn tag(hash: u64) -> u32 {
    unpack(hash).0
}

fn pack(tag: u32, id: i32) -> u64 {
    u64::from(tag) << 32 | u64::from(id.cast_unsigned())
}

const fn unpack(word: u64) -> (u32, i32) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (
        u32::from_le_bytes([e, f, g, h]),
        i32::from_le_bytes([a, b, c, d]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash whose tag has few values, so that searches pass over other ids.
    fn hash(id: i32) -> u64 {
        u64::from(id.cast_unsigned() % 64) << 32
    }

    #[test]
    fn every_id_is_found_before_and_after_the_table_grows() {
        let index = KeyIndex::new();
        let find = |id| index.find(hash(id), |found| (found == id).then_some(found));
        for id in (-600..600).filter(|id| *id != 0) {
            assert_eq!(find(id), None);
            index.insert(hash(id), id);
            assert_eq!(find(id), Some(id));
        }
        index.reserve(10_000);
        for id in (-600..600).filter(|id| *id != 0) {
            assert_eq!(find(id), Some(id));
        }
        assert_eq!(find(700), None);
    }

    #[test]
    fn the_last_slots_are_followed_by_the_first() {
        let index = KeyIndex::new();
        for id in 1..=10 {
            index.insert(u64::MAX, id);
        }
        let mut seen = Vec::new();
        let all = std::cell::RefCell::new(&mut seen);
        let none: Option<()> = index.find(u64::MAX, |id| {
            all.borrow_mut().push(id);
            None
        });
        assert_eq!((none, seen), (None, (1..=10).collect()));
    }
}
