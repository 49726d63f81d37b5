//! Last-seen times: many instances in one key, which is overwritten.

mod merge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use rollcall_etcd::proto::{
    KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
};
use rollcall_etcd::request::{end_of, equal, found, get, put};
use rollcall_runtime::Clock;

use super::{Commit, Error, Record, Remote, corrupt};
use crate::{Damage, LastSeen};
use merge::{contents, merged};

/// Instances in a chunk: those with neighbouring ids.
const SIZE: i32 = 1024;
/// The most chunks in one transaction, far below etcd's limit of 128 operations; and below, the bytes of present values after which
/// a transaction ends.
const AT_ONCE: usize = 16;
const BYTES: usize = 512 * 1024;
/// The most retries of a transaction that conflicts with another collector's.
const ATTEMPTS: usize = 8;

/// The chunks as they were last read or written.
#[derive(Debug)]
pub(super) struct Chunks {
    prefix: String,
    clock: Clock,
    known: HashMap<String, Chunk>,
    /// Records that are not emitted yet, such as those found while writing.
    pending: Vec<Record>,
    /// Damaged chunks, to be rewritten even without new reports.
    broken: BTreeSet<String>,
}

/// A chunk, encoded as it is stored, because there may be a thousand.
#[derive(Clone, Debug, Default)]
struct Chunk {
    /// The revision of the last change; 0 if there is none.
    revision: i64,
    value: Bytes,
}

impl Chunks {
    pub(super) fn new(prefix: String, clock: Clock) -> Self {
        Self {
            prefix,
            clock,
            known: HashMap::new(),
            pending: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// The number of instances that the chunks can hold.
    pub(super) fn count(&self, remote: &Remote) -> Result<usize, Error> {
        let chunks = remote.range(RangeRequest {
            key: self.prefix.clone().into_bytes(),
            range_end: end_of(&*self.prefix),
            count_only: true,
            ..RangeRequest::default()
        })?;
        let instances = chunks.count.saturating_mul(i64::from(SIZE));
        Ok(usize::try_from(instances).unwrap_or(usize::MAX))
    }

    /// Reads all chunks, and emits the changes.
    pub(super) fn read(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let prefix = self.prefix.clone();
        let from = prefix.clone().into_bytes();
        let mut missing: HashSet<String> = self.known.keys().cloned().collect();
        remote.each(&prefix, from, |chunk| {
            missing.remove(&*String::from_utf8_lossy(&chunk.key));
            self.refresh(chunk)
        })?;
        if !missing.is_empty() {
            let now = remote.revision()?;
            missing
                .into_iter()
                .try_for_each(|key| self.report_missing(key, now))?;
        }
        self.emit(sink);
        Ok(())
    }

    /// Reads all chunks, and emits all their records.
    pub(super) fn read_anew(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        self.known.values_mut().for_each(|chunk| chunk.revision = 0);
        self.read(remote, sink)
    }

    /// Applies chunks of watch events, and emits the changes.
    pub(super) fn apply(
        &mut self,
        chunks: &[KeyValue],
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        chunks
            .iter()
            .try_for_each(|chunk| self.apply_chunk(chunk))?;
        self.emit(sink);
        Ok(())
    }

    fn emit(&mut self, sink: &mut dyn FnMut(Record)) {
        self.pending.drain(..).for_each(sink);
    }

    /// Applies the present state of a chunk. A revision older than the known one means that etcd was rolled back.
    fn refresh(&mut self, chunk: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&chunk.key);
        if chunk.mod_revision < self.revision(&key) {
            return Err(rolled_back(key.into_owned()));
        }
        self.apply_chunk(chunk)
    }

    fn revision(&self, key: &str) -> i64 {
        self.known.get(key).map_or(0, |chunk| chunk.revision)
    }

    /// Reports a chunk that another program deleted, and marks it for a rewrite. An etcd whose revision is below the chunk's
    /// was rolled back.
    fn report_missing(&mut self, key: String, now: i64) -> Result<(), Error> {
        if now < self.revision(&key) {
            return Err(rolled_back(key));
        }
        if let Some(chunk) = self.known.get_mut(&key) {
            chunk.revision = 0;
        }
        self.pending.push(Record::Damage(Damage::Soft {
            key: key.clone(),
            what: "missing, is rewritten".to_owned(),
        }));
        self.broken.insert(key);
        Ok(())
    }

    /// Applies a present or past state of a chunk. If it cannot be read, the known state stays and the chunk is marked for a
    /// rewrite.
    fn apply_chunk(&mut self, chunk: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&chunk.key).into_owned();
        if !is_chunk(&self.prefix, &key) {
            let what = "not a key of the store, ignored";
            self.pending.push(Record::Damage(Damage::soft(chunk, what)));
            return Ok(());
        }
        let known = self.known.entry(key.clone()).or_default();
        if chunk.mod_revision <= known.revision {
            return Ok(());
        }
        let after = match contents(&key, &chunk.value) {
            Ok(after) => after,
            Err(invalid) => {
                known.revision = chunk.mod_revision;
                let what = format!("{invalid}; it is rewritten");
                self.pending.push(Record::Damage(Damage::soft(chunk, what)));
                self.broken.insert(key);
                return Ok(());
            }
        };
        let before = contents(&key, &known.value).unwrap_or_default();
        self.broken.remove(&key);
        let record = |seen: LastSeen| match before.get(&seen.instance) == Some(&seen) {
            true => Record::Unchanged(seen),
            false => Record::LastSeen(seen),
        };
        self.pending.extend(after.into_values().map(record));
        *known = Chunk {
            revision: chunk.mod_revision,
            value: chunk.value.clone(),
        };
        Ok(())
    }

    /// Merges reports about instances into the chunks. If the chunk has a later report, that one stays, unless its time is in the
    /// future.
    pub(super) fn merge(&mut self, remote: &Remote, seen: &[LastSeen]) -> Result<Commit, Error> {
        let mut by_chunk: BTreeMap<i32, Vec<LastSeen>> = BTreeMap::new();
        for seen in seen {
            let chunk = seen.instance.get().div_euclid(SIZE);
            by_chunk.entry(chunk).or_default().push(*seen);
        }
        let by_chunk = by_chunk
            .into_iter()
            .map(|(chunk, seen)| (format!("{}{chunk:010}", self.prefix), seen));
        let broken = self.broken.iter().map(|key| (key.clone(), Vec::new()));
        let by_chunk: BTreeMap<String, Vec<LastSeen>> = broken.chain(by_chunk).collect();
        let mut by_chunk = by_chunk.into_iter().peekable();
        while by_chunk.peek().is_some() {
            let (mut some, mut bytes) = (Vec::new(), 0);
            while some.len() < AT_ONCE
                && bytes < BYTES
                && let Some((key, seen)) = by_chunk.next()
            {
                bytes += self.known.get(&key).map_or(0, |chunk| chunk.value.len());
                some.push((key, seen));
            }
            let mut attempts = 0..ATTEMPTS;
            while !self.try_merge(remote, &some)? {
                if attempts.next().is_none() {
                    return Ok(Commit::Conflict);
                }
            }
        }
        Ok(Commit::Durable)
    }

    /// Writes these chunks. If another collector has changed one of them meanwhile, applies its changes and returns `false`.
    fn try_merge(
        &mut self,
        remote: &Remote,
        some: &[(String, Vec<LastSeen>)],
    ) -> Result<bool, Error> {
        let (mut transaction, mut values) = (TxnRequest::default(), Vec::new());
        for (key, seen) in some {
            let known = self.known.get(key).cloned().unwrap_or_default();
            let is_broken = self.broken.contains(key);
            let Some(value) = merged(key, &known.value, seen, self.clock.wall(), is_broken) else {
                continue;
            };
            let revision = TargetUnion::ModRevision(known.revision);
            transaction
                .compare
                .push(equal(&**key, CompareTarget::Mod, revision));
            transaction.success.push(put(&**key, value.to_vec()));
            transaction.failure.push(get(&**key));
            values.push((key.clone(), value));
        }
        if values.is_empty() {
            return Ok(true);
        }
        let written = remote.transaction(transaction)?;
        if written.succeeded {
            let revision = written.header.map_or(0, |header| header.revision);
            for (key, value) in values {
                self.broken.remove(&key);
                self.known.insert(key, Chunk { revision, value });
            }
            return Ok(true);
        }
        for ((key, _), response) in values.into_iter().zip(&written.responses) {
            match found(response) {
                Some(chunk) => self.refresh(chunk)?,
                None if self.revision(&key) > 0 => {
                    let now = written.header.as_ref().map_or(0, |header| header.revision);
                    self.report_missing(key, now)?;
                }
                None => {}
            }
        }
        Ok(false)
    }
}

fn rolled_back(key: String) -> Error {
    let what = "a later state of it was read before: was etcd rolled back to an earlier state?";
    corrupt(key, what)
}

/// Whether a key is a chunk of this format.
fn is_chunk(prefix: &str, key: &str) -> bool {
    let chunk = key.strip_prefix(prefix);
    let number = chunk.and_then(|chunk| chunk.parse::<i32>().ok());
    number.is_some_and(|number| format!("{prefix}{number:010}") == key)
}
