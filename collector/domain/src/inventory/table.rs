//! One dictionary for readers, without locks: the entries by id, and the ids by the hash of their key.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{entry::Entry, keys::KeyIndex};
use crate::id::IdMap;

/// Key to id and id to entry. The owner of the allocator writes it; any thread reads it.
pub(super) struct Table<E: Entry> {
    by_id: IdMap<E::Id, E::Kept>,
    by_key: KeyIndex,
    /// Hashes keys, which agents choose, with a secret seed.
    hashing: RandomState,
    keyed: AtomicUsize,
    adopted: AtomicUsize,
    /// The sum of the digests of all entries.
    digest: AtomicU64,
    /// The memory that all entries take, in bytes.
    bytes: AtomicUsize,
    /// Entries with an id that their agents do not know ([`Entry::is_unannounced`]).
    unannounced: AtomicUsize,
}

/// The summands of one entry in the sums over a table.
#[derive(Clone, Copy, Default)]
struct Weight {
    digest: u64,
    bytes: usize,
    unannounced: usize,
}

impl Weight {
    fn of<E: Entry>(entry: &E) -> Self {
        Self {
            digest: entry.digest(),
            bytes: entry.cost(),
            unannounced: usize::from(entry.is_unannounced()),
        }
    }
}

/// Why a stored entry contradicts the table.
pub(super) enum Conflict<I> {
    /// Its id has another key.
    Id,
    /// Its key has this other id.
    Key(I),
}

impl<E: Entry> Table<E> {
    pub(super) fn new() -> Self {
        Self {
            by_id: IdMap::default(),
            by_key: KeyIndex::new(),
            hashing: RandomState::new(),
            keyed: AtomicUsize::new(0),
            adopted: AtomicUsize::new(0),
            digest: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            unannounced: AtomicUsize::new(0),
        }
    }

    /// The id of a key.
    pub(super) fn id(&self, key: E::KeyRef<'_>) -> Option<E::Id> {
        self.find(self.hashing.hash_one(key), key)
    }

    fn find(&self, hash: u64, key: E::KeyRef<'_>) -> Option<E::Id> {
        let by_id = self.by_id.pin();
        let has_key = |id: &E::Id| by_id.get(id).is_some_and(|kept| E::has_key(*id, kept, key));
        self.by_key
            .find(hash, |number| E::numbered(number).filter(has_key))
    }

    pub(super) fn contains(&self, id: E::Id) -> bool {
        self.by_id.pin().contains_key(&id)
    }

    /// Applies `read` to the entry with this id.
    pub(super) fn read<R>(&self, id: E::Id, read: impl FnOnce(&E::Kept) -> R) -> Option<R> {
        self.by_id.pin().get(&id).map(read)
    }

    /// A copy of the entry with this id.
    pub(super) fn entry(&self, id: E::Id) -> Option<E> {
        self.read(id, |kept| E::of(id, kept))
    }

    /// Inserts or replaces an entry. Its id resolves before its key is found, so a reader never holds an id without an entry.
    pub(super) fn put(&self, entry: E) {
        let before = self
            .by_id
            .pin()
            .insert(entry.id(), entry.keep())
            .map(|kept| E::of(entry.id(), kept));
        self.account(&entry, before.as_ref());
        if before.is_none() {
            let hash = entry.key_ref().map(|key| self.hashing.hash_one(key));
            self.account_new(&entry, hash);
        }
    }

    /// Inserts a stored entry and returns the state that it replaces. Looks up its id and its key only once each, because there may
    /// be millions. Readers find its id before its key.
    pub(super) fn restore(&self, entry: E) -> Result<Option<E>, Conflict<E::Id>> {
        let id = entry.id();
        let mut hash = None;
        if let Some(key) = entry.key_ref() {
            let of_key = self.hashing.hash_one(key);
            if let Some(other) = self.find(of_key, key).filter(|other| *other != id) {
                return Err(Conflict::Key(other));
            }
            hash = Some(of_key);
        }
        let by_id = self.by_id.pin();
        let known = match by_id.try_insert(id, entry.keep()) {
            Ok(_) => {
                self.account(&entry, None);
                self.account_new(&entry, hash);
                return Ok(None);
            }
            Err(known) => known,
        };
        let before = E::of(id, known.current);
        if !before.may_become(&entry) {
            return Err(Conflict::Id);
        }
        by_id.insert(id, known.not_inserted);
        self.account(&entry, Some(&before));
        Ok(Some(before))
    }

    /// The sum of the digests of all entries.
    pub(super) fn digest(&self) -> u64 {
        self.digest.load(Ordering::Relaxed)
    }

    /// The memory that all entries take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The number of entries with an id that their agents do not know.
    pub(super) fn unannounced(&self) -> usize {
        self.unannounced.load(Ordering::Relaxed)
    }

    /// Adds an entry to the sums and subtracts the state that it replaces.
    fn account(&self, entry: &E, before: Option<&E>) {
        let entry = Weight::of(entry);
        let before = before.map_or_else(Weight::default, Weight::of);
        let change = entry.digest.wrapping_sub(before.digest);
        self.digest.fetch_add(change, Ordering::Relaxed);
        let change = entry.bytes.wrapping_sub(before.bytes);
        self.bytes.fetch_add(change, Ordering::Relaxed);
        let change = entry.unannounced.wrapping_sub(before.unannounced);
        self.unannounced.fetch_add(change, Ordering::Relaxed);
    }

    /// Counts a new entry, and makes it visible to look-ups by the hash of its key.
    fn account_new(&self, entry: &E, hash: Option<u64>) {
        if let Some(hash) = hash {
            self.by_key.insert(hash, E::number(entry.id()));
            self.keyed.fetch_add(1, Ordering::Relaxed);
        }
        if entry.is_adopted() {
            self.adopted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reserves capacity, so that loading many entries does not resize the maps repeatedly.
    pub(super) fn reserve(&self, entries: usize) {
        self.by_id.pin().reserve(entries);
        self.by_key.reserve(entries);
    }

    /// The number of entries with a key.
    pub(super) fn keyed(&self) -> usize {
        self.keyed.load(Ordering::Relaxed)
    }

    /// The number of adopted entries.
    pub(super) fn adopted(&self) -> usize {
        self.adopted.load(Ordering::Relaxed)
    }
}
