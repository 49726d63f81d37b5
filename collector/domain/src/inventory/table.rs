//! One dictionary for readers, without locks: the entries by id, and the ids by the hash of their key.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{
    Instance, InstanceView, blocks::Blocks, digest, entry::Entry, keys::KeyIndex,
    packed::PackedInstance,
};

/// Key to id and id to entry. The owner of the allocator writes it; any thread reads it.
pub(super) struct Table<E: Entry> {
    by_id: Blocks<E::Kept>,
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

/// The amounts that one entry adds to the sums of a table.
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

/// An entry with all the data for its insertion that does not depend on other entries.
pub(super) struct Prepared<E: Entry> {
    pub(super) id: E::Id,
    pub(super) kept: E::Kept,
    /// The hash of its key; `None` without a key.
    hash: Option<u64>,
    weight: Weight,
    pub(super) is_adopted: bool,
}

impl<E: Entry> Prepared<E> {
    pub(super) const fn is_keyed(&self) -> bool {
        self.hash.is_some()
    }
}

impl Table<Instance> {
    /// As [`Table::prepare`], for a borrowed instance, which is copied only once.
    pub(super) fn prepare_view(&self, instance: &InstanceView<'_>) -> Prepared<Instance> {
        Prepared {
            id: instance.id,
            kept: PackedInstance::pack(instance),
            hash: instance.key().map(|key| self.hashing.hash_one(key)),
            weight: Weight {
                digest: digest::instance(instance),
                bytes: instance.cost(),
                unannounced: usize::from(instance.is_unannounced()),
            },
            is_adopted: instance.adopted,
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
            by_id: Blocks::new(),
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
        let kept = |id: E::Id| by_id.get(E::number(id));
        let has_key = |id: &E::Id| kept(*id).is_some_and(|kept| E::has_key(*id, kept, key));
        self.by_key
            .find(hash, |number| E::numbered(number).filter(has_key))
    }

    pub(super) fn contains(&self, id: E::Id) -> bool {
        self.by_id.pin().get(E::number(id)).is_some()
    }

    /// Whether there is a block for this id.
    pub(super) fn has_block(&self, id: E::Id) -> bool {
        self.by_id.pin().has_block(E::number(id))
    }

    /// Applies `read` to the entry with this id.
    pub(super) fn read<R>(&self, id: E::Id, read: impl FnOnce(&E::Kept) -> R) -> Option<R> {
        self.by_id.pin().get(E::number(id)).map(read)
    }

    /// A copy of the entry with this id.
    pub(super) fn entry(&self, id: E::Id) -> Option<E> {
        self.read(id, |kept| E::of(id, kept))
    }

    /// Prepares an entry for [`Table::restore`], on any thread.
    pub(super) fn prepare(&self, entry: &E) -> Prepared<E> {
        Prepared {
            id: entry.id(),
            kept: entry.keep(),
            hash: entry.key_ref().map(|key| self.hashing.hash_one(key)),
            weight: Weight::of(entry),
            is_adopted: entry.is_adopted(),
        }
    }

    /// Prepares the memory that the insertion of these entries reads, for the cache of this thread's processor.
    pub(super) fn touch<'a>(&self, entries: impl Iterator<Item = &'a Prepared<E>>)
    where
        E: 'a,
    {
        self.by_key.touch(entries.filter_map(|entry| entry.hash));
    }

    /// Inserts or replaces an entry. The entry is visible by its id before it is visible by its key, so a reader that finds an id
    /// also finds its entry.
    pub(super) fn put(&self, entry: &E) {
        let id = entry.id();
        let by_id = self.by_id.pin();
        let before = by_id.get(E::number(id));
        let before = before.map(|kept| Weight::of(&E::of(id, kept)));
        let is_new_block = by_id.put(E::number(id), entry.keep());
        self.account(Weight::of(entry), before);
        self.account_block(is_new_block);
        if before.is_none() {
            let hash = entry.key_ref().map(|key| self.hashing.hash_one(key));
            self.account_new(id, hash, entry.is_adopted());
        }
    }

    /// Inserts a stored entry and returns the state that it replaces. Looks up its id and its key only once each, because there may
    /// be millions of entries. The entry is visible by its id before it is visible by its key.
    pub(super) fn restore(&self, new: Prepared<E>) -> Result<Option<E>, Conflict<E::Id>> {
        let id = new.id;
        if let (Some(hash), Some(key)) = (new.hash, E::key_of(id, &new.kept))
            && let Some(other) = self.find(hash, key).filter(|other| *other != id)
        {
            return Err(Conflict::Key(other));
        }
        let by_id = self.by_id.pin();
        let Some(known) = by_id.get(E::number(id)) else {
            let is_new_block = by_id.put(E::number(id), new.kept);
            self.account(new.weight, None);
            self.account_block(is_new_block);
            self.account_new(id, new.hash, new.is_adopted);
            return Ok(None);
        };
        let before = E::of(id, known);
        if !before.may_become(&E::of(id, &new.kept)) {
            return Err(Conflict::Id);
        }
        by_id.put(E::number(id), new.kept);
        self.account(new.weight, Some(Weight::of(&before)));
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
    fn account(&self, entry: Weight, before: Option<Weight>) {
        let before = before.unwrap_or_default();
        let change = entry.digest.wrapping_sub(before.digest);
        self.digest.fetch_add(change, Ordering::Relaxed);
        let change = entry.bytes.wrapping_sub(before.bytes);
        self.bytes.fetch_add(change, Ordering::Relaxed);
        let change = entry.unannounced.wrapping_sub(before.unannounced);
        self.unannounced.fetch_add(change, Ordering::Relaxed);
    }

    /// Charges a block that was created.
    fn account_block(&self, is_new: bool) {
        if is_new {
            self.bytes.fetch_add(E::BLOCK, Ordering::Relaxed);
        }
    }

    /// Counts a new entry, and makes it visible to look-ups by the hash of its key.
    fn account_new(&self, id: E::Id, hash: Option<u64>, is_adopted: bool) {
        if let Some(hash) = hash {
            self.by_key.insert(hash, E::number(id));
            self.keyed.fetch_add(1, Ordering::Relaxed);
        }
        if is_adopted {
            self.adopted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reserves capacity, so that loading many entries does not resize the maps repeatedly.
    pub(super) fn reserve(&self, entries: usize) {
        self.by_id.reserve(entries);
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
