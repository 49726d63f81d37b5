//! One dictionary for readers: two maps without locks.

use std::{
    hash::Hash,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use papaya::{Equivalent, HashMap};

use super::entry::Entry;
use crate::id::IdMap;

/// Key to id and id to entry. The owner of the allocator writes it; any thread reads it.
pub(super) struct Table<E: Entry> {
    by_id: IdMap<E::Id, E>,
    by_key: HashMap<E::Key, E::Id>,
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

/// Whether the table has readers while entries are inserted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Readers {
    Absent,
    Present,
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
            by_key: HashMap::new(),
            keyed: AtomicUsize::new(0),
            adopted: AtomicUsize::new(0),
            digest: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            unannounced: AtomicUsize::new(0),
        }
    }

    /// The id of a key, which may be borrowed.
    pub(super) fn id<Q: Equivalent<E::Key> + Hash + ?Sized>(&self, key: &Q) -> Option<E::Id> {
        self.by_key.pin().get(key).copied()
    }

    pub(super) fn contains(&self, id: E::Id) -> bool {
        self.by_id.pin().contains_key(&id)
    }

    /// Applies `read` to the entry with this id.
    pub(super) fn read<R>(&self, id: E::Id, read: impl FnOnce(&E) -> R) -> Option<R> {
        self.by_id.pin().get(&id).map(read)
    }

    /// Inserts or replaces an entry. Its id resolves before its key is found, so a reader never holds an id without an entry.
    pub(super) fn put(&self, entry: E) {
        let (id, key, adopted) = (entry.id(), entry.key(), entry.is_adopted());
        let weight = Weight::of(&entry);
        let before = self.by_id.pin().insert(id, entry).map(Weight::of);
        self.count_in(weight, before);
        let new = before.is_none();
        if let Some(key) = key
            && new
        {
            self.by_key.pin().insert(key, id);
            self.keyed.fetch_add(1, Ordering::Relaxed);
        }
        if adopted && new {
            self.adopted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Inserts a stored entry and returns the state that it replaces. Looks up its id and its key only once each, because there may
    /// be millions. The table must have no readers: a key may become visible before its id.
    pub(super) fn restore(&self, entry: E) -> Result<Option<E>, Conflict<E::Id>> {
        let (id, key, adopted) = (entry.id(), entry.key(), entry.is_adopted());
        let by_key = self.by_key.pin();
        let claimed = match key.clone().map(|key| by_key.try_insert(key, id)) {
            Some(Err(taken)) if *taken.current != id => return Err(Conflict::Key(*taken.current)),
            Some(Ok(_)) => key.as_ref(),
            Some(Err(_)) | None => None,
        };
        let by_id = self.by_id.pin();
        let weight = Weight::of(&entry);
        match by_id.try_insert(id, entry) {
            Ok(_) => {
                self.count_in(weight, None);
                self.keyed
                    .fetch_add(usize::from(key.is_some()), Ordering::Relaxed);
                self.adopted
                    .fetch_add(usize::from(adopted), Ordering::Relaxed);
                Ok(None)
            }
            Err(known) if known.current.may_become(&known.not_inserted) => {
                let before = by_id.insert(id, known.not_inserted);
                self.count_in(weight, before.map(Weight::of));
                Ok(before.cloned())
            }
            Err(_) => {
                claimed.map(|key| by_key.remove(key));
                Err(Conflict::Id)
            }
        }
    }

    /// Inserts a stored entry and returns the state that it replaces. Readers find its id before its key.
    pub(super) fn apply(&self, entry: E) -> Result<Option<E>, Conflict<E::Id>> {
        let id = entry.id();
        let known = self.read(id, Clone::clone);
        if known
            .as_ref()
            .is_some_and(|known| !known.may_become(&entry))
        {
            return Err(Conflict::Id);
        }
        let claimed = entry.key().and_then(|key| self.id(&key));
        if let Some(other) = claimed.filter(|other| *other != id) {
            return Err(Conflict::Key(other));
        }
        self.put(entry);
        Ok(known)
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
    fn count_in(&self, entry: Weight, before: Option<Weight>) {
        let before = before.unwrap_or_default();
        let change = entry.digest.wrapping_sub(before.digest);
        self.digest.fetch_add(change, Ordering::Relaxed);
        let change = entry.bytes.wrapping_sub(before.bytes);
        self.bytes.fetch_add(change, Ordering::Relaxed);
        let change = entry.unannounced.wrapping_sub(before.unannounced);
        self.unannounced.fetch_add(change, Ordering::Relaxed);
    }

    /// Reserves capacity, so that loading many entries does not resize the maps repeatedly.
    pub(super) fn reserve(&self, entries: usize) {
        self.by_id.pin().reserve(entries);
        self.by_key.pin().reserve(entries);
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
