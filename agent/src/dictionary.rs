//! Names and addresses with the ids that a collector assigned.
//!
//! Callers look up without a lock and never wait. A look-up queues an unknown key; the background thread requests its id in
//! [chunks](chunk) and stores the answers. Known and queued keys together are bounded; a full dictionary queues no more.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use papaya::Equivalent;
use parking_lot::Mutex;

use crate::{AddressId, OperationId, SpanType};

/// The longest name or address that is sent. Real ones are shorter, and a collector may refuse a whole chunk because of one long
/// text.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

/// Operation names of this application.
pub(crate) type Operations = Dictionary<Operation, OperationId>;

/// Remote peers.
pub(crate) type Addresses = Dictionary<Arc<str>, AddressId>;

/// A name on one side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Operation {
    pub(crate) span: SpanType,
    pub(crate) name: Arc<str>,
}

/// A borrowed [`Operation`], for look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OperationRef<'a> {
    pub(crate) span: SpanType,
    pub(crate) name: &'a str,
}

impl Equivalent<Operation> for OperationRef<'_> {
    fn equivalent(&self, key: &Operation) -> bool {
        self.span == key.span && self.name == &*key.name
    }
}

impl From<OperationRef<'_>> for Operation {
    fn from(query: OperationRef<'_>) -> Self {
        Self {
            span: query.span,
            name: query.name.into(),
        }
    }
}

/// A key to which a collector assigns an id.
pub(crate) trait Key: Clone + Eq + Hash {
    /// The text that is sent for this key.
    fn text(&self) -> &str;
}

impl Key for Operation {
    fn text(&self) -> &str {
        &self.name
    }
}

impl Key for Arc<str> {
    fn text(&self) -> &str {
        self
    }
}

/// The result of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<I> {
    Known(I),
    /// Queued.
    Waiting,
    /// Neither known nor queued.
    Absent,
}

/// The dictionary is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A bounded, read-mostly map from keys to ids.
pub(crate) struct Dictionary<K, I> {
    /// A key with the value `None` is in the queue, or the background thread is requesting its id.
    ids: papaya::HashMap<K, Option<I>>,
    size: AtomicUsize,
    limit: usize,
    queue: Mutex<Vec<K>>,
}

impl<K, I> fmt::Debug for Dictionary<K, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary")
            .field("size", &self.size)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<K: Key, I: Copy + PartialEq> Dictionary<K, I> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            ids: papaya::HashMap::new(),
            size: AtomicUsize::new(0),
            limit,
            queue: Mutex::new(Vec::new()),
        }
    }

    /// For any thread. Takes no lock, except in the first look-up of a thread.
    pub(crate) fn lookup<Q>(&self, query: &Q) -> Lookup<I>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        match self.ids.pin().get(query) {
            Some(Some(id)) => Lookup::Known(*id),
            Some(None) => Lookup::Waiting,
            None => Lookup::Absent,
        }
    }

    /// For any thread. Queues an absent key. Builds the key only if the dictionary has room.
    pub(crate) fn queue(&self, to_key: impl FnOnce() -> K) -> Result<(), Full> {
        if self.size.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.size.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        let key = to_key();
        if self.ids.pin().try_insert(key.clone(), None).is_ok() {
            self.queue.lock().push(key);
        } else {
            // Another thread inserted the key first.
            self.size.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// For the background thread: takes the queue. The thread [gives back](Self::give_back) the keys that it does not request.
    pub(crate) fn take_queue(&self) -> Vec<K> {
        std::mem::take(&mut *self.queue.lock())
    }

    pub(crate) fn give_back(&self, keys: impl IntoIterator<Item = K>) {
        // Callers wait for this lock, so the keys are collected before it is taken.
        let mut keys: Vec<K> = keys.into_iter().collect();
        let mut queue = self.queue.lock();
        if queue.len() < keys.len() {
            std::mem::swap(&mut *queue, &mut keys);
        }
        queue.extend(keys);
    }

    /// For the background thread: stores a collector's answer to a request for these keys. Returns the number of ids that changed.
    ///
    /// A key without an id in the answer is unknown to this collector, even if an earlier collector knew it: its id is dropped,
    /// and the key is queued again. An id that was not requested is ignored.
    pub(crate) fn store(
        &self,
        requested: Vec<K>,
        answers: impl IntoIterator<Item = (K, I)>,
    ) -> usize {
        let answers: HashMap<K, I> = answers.into_iter().collect();
        let ids = self.ids.pin();
        let mut changed = 0;
        let mut unanswered = Vec::new();
        for key in requested {
            let answer = answers.get(&key).copied();
            let before = ids.get(&key).copied().flatten();
            if before.is_some() && answer.is_some() && before != answer {
                changed += 1;
            }
            if answer.is_none() {
                unanswered.push(key.clone());
            }
            if before != answer {
                ids.insert(key, answer);
            }
        }
        self.give_back(unanswered);
        changed
    }

    /// Queues every key. Known ids stay in use until the answers arrive.
    pub(crate) fn request_again(&self) {
        drop(self.take_queue());
        // A key that a caller queues at the same moment may be queued, and requested, twice.
        let keys: Vec<K> = self.ids.pin().keys().cloned().collect();
        self.give_back(keys);
    }

    /// Queues every key and forgets all ids.
    pub(crate) fn forget(&self) {
        self.request_again();
        let ids = self.ids.pin();
        for key in ids.keys() {
            ids.insert(key.clone(), None);
        }
    }

    /// The number of keys, known or queued.
    pub(crate) fn len(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
}

/// Splits keys into chunks whose request and answer each stay well below `limit` bytes.
///
/// The cost of a key is the length of its text plus 64 bytes for the tags, lengths and ids around it, both in the request and in
/// the answer, which repeats the text. A chunk has at least one key.
pub(crate) fn chunks<K: Key>(keys: Vec<K>, limit: usize) -> impl Iterator<Item = Vec<K>> {
    let mut keys = keys.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = keys.next()?;
        let mut bytes = cost(&first);
        let mut chunk = vec![first];
        while let Some(key) = keys.next_if(|key| bytes + cost(key) <= limit) {
            bytes += cost(&key);
            chunk.push(key);
        }
        Some(chunk)
    })
}

fn cost<K: Key>(key: &K) -> usize {
    key.text().len() + 64
}

#[cfg(test)]
mod tests;
