//! When instances were last heard of: many instances in one key, which is replaced.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use rollcall_domain::{InstanceId, Timestamp};
use rollcall_etcd::proto::{
    KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
};
use rollcall_etcd::request::{end_of, equal, found, get, put};
use rollcall_protobuf::{self as protobuf, Fields, Value};
use rollcall_runtime::Clock;

use super::{Commit, Error, Record, Remote, corrupt, value};
use crate::{Damage, Seen, format::Invalid};

/// Instances in a chunk: those with neighbouring ids.
const SIZE: i32 = 1024;
/// Chunks that are written at once, far from the 128 operations of a transaction, and the bytes of what they held.
const AT_ONCE: usize = 16;
const BYTES: usize = 512 * 1024;
/// How often a transaction is tried anew because another collector was first.
const ATTEMPTS: usize = 8;

/// The chunks as they were last read or written.
#[derive(Debug)]
pub(super) struct Chunks {
    prefix: String,
    clock: Clock,
    known: HashMap<String, Chunk>,
    /// What came up while writing, and is still to be given.
    learned: Vec<Record>,
    /// Chunks that are to be written anew, whether there is news for them or not.
    broken: BTreeSet<String>,
}

/// A chunk, encoded as it is stored: there may be a thousand.
#[derive(Clone, Debug, Default)]
struct Chunk {
    /// Of the last change; 0 if there is none.
    revision: i64,
    value: Bytes,
}

type Contents = BTreeMap<InstanceId, Seen>;

impl Chunks {
    pub(super) fn new(prefix: String, clock: Clock) -> Self {
        Self {
            prefix,
            clock,
            known: HashMap::new(),
            learned: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// How many instances there is room for.
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

    /// Reads all chunks, and gives what is news.
    pub(super) fn read(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let prefix = self.prefix.clone();
        let from = prefix.clone().into_bytes();
        let mut gone: HashSet<String> = self.known.keys().cloned().collect();
        remote.each(&prefix, from, |chunk| {
            gone.remove(&*String::from_utf8_lossy(&chunk.key));
            self.refresh(chunk)
        })?;
        if !gone.is_empty() {
            let now = remote.revision()?;
            gone.into_iter()
                .try_for_each(|key| self.vanished(key, now))?;
        }
        self.give(sink);
        Ok(())
    }

    /// Reads all chunks, and gives what is in them whether it is news or not.
    pub(super) fn read_anew(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        self.known.values_mut().for_each(|chunk| chunk.revision = 0);
        self.read(remote, sink)
    }

    /// Takes chunks in as others read them, and gives what is news.
    pub(super) fn take(
        &mut self,
        chunks: &[KeyValue],
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        chunks.iter().try_for_each(|chunk| self.learn(chunk))?;
        self.give(sink);
        Ok(())
    }

    fn give(&mut self, sink: &mut dyn FnMut(Record)) {
        self.learned.drain(..).for_each(sink);
    }

    /// Takes a chunk in as it is now.
    fn refresh(&mut self, chunk: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&chunk.key);
        if chunk.mod_revision < self.revision(&key) {
            return Err(rolled_back(key.into_owned()));
        }
        self.learn(chunk)
    }

    fn revision(&self, key: &str) -> i64 {
        self.known.get(key).map_or(0, |chunk| chunk.revision)
    }

    /// Has a chunk that something else deleted written anew. An etcd that is behind the chunk was rolled back.
    fn vanished(&mut self, key: String, now: i64) -> Result<(), Error> {
        if now < self.revision(&key) {
            return Err(rolled_back(key));
        }
        if let Some(chunk) = self.known.get_mut(&key) {
            chunk.revision = 0;
        }
        self.learned.push(Record::Damage(Damage::Soft {
            key: key.clone(),
            what: "it is missing, and is written anew".to_owned(),
        }));
        self.broken.insert(key);
        Ok(())
    }

    /// Takes a chunk in as it is, or as it was a while ago. One that cannot be read stays what it was, and is written anew.
    fn learn(&mut self, chunk: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&chunk.key).into_owned();
        if !is_chunk(&self.prefix, &key) {
            let what = "it is no key of the store, and is ignored";
            self.learned.push(Record::Damage(Damage::soft(chunk, what)));
            return Ok(());
        }
        let known = self.known.entry(key.clone()).or_default();
        if chunk.mod_revision <= known.revision {
            return Ok(());
        }
        let told = match contents(&key, &chunk.value) {
            Ok(told) => told,
            Err(invalid) => {
                known.revision = chunk.mod_revision;
                let what = format!("{invalid}; it is written anew");
                self.learned.push(Record::Damage(Damage::soft(chunk, what)));
                self.broken.insert(key);
                return Ok(());
            }
        };
        let before = contents(&key, &known.value).unwrap_or_default();
        self.broken.remove(&key);
        let record = |seen: Seen| match before.get(&seen.instance) == Some(&seen) {
            true => Record::Confirmed(seen),
            false => Record::Seen(seen),
        };
        self.learned.extend(told.into_values().map(record));
        *known = Chunk {
            revision: chunk.mod_revision,
            value: chunk.value.clone(),
        };
        Ok(())
    }

    /// Adds what is said of instances, unless something later is known of them that is not still to come.
    pub(super) fn merge(&mut self, remote: &Remote, seen: &[Seen]) -> Result<Commit, Error> {
        let mut by_chunk: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
        for seen in seen {
            let chunk = seen.instance.get().div_euclid(SIZE);
            by_chunk.entry(chunk).or_default().push(*seen);
        }
        let by_chunk = by_chunk
            .into_iter()
            .map(|(chunk, seen)| (format!("{}{chunk:010}", self.prefix), seen));
        let broken = self.broken.iter().map(|key| (key.clone(), Vec::new()));
        let by_chunk: BTreeMap<String, Vec<Seen>> = broken.chain(by_chunk).collect();
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
                    return Ok(Commit::Behind);
                }
            }
        }
        Ok(Commit::Durable)
    }

    /// Writes these chunks, unless another collector changed one of them meanwhile; then they are known afterwards.
    fn try_merge(&mut self, remote: &Remote, some: &[(String, Vec<Seen>)]) -> Result<bool, Error> {
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
                    self.vanished(key, now)?;
                }
                None => {}
            }
        }
        Ok(false)
    }
}

fn rolled_back(key: String) -> Error {
    let what = "it was read in a later state: was etcd rolled back to an earlier one?";
    corrupt(key, what)
}

/// Whether a key is one of the chunks that this format has.
fn is_chunk(prefix: &str, key: &str) -> bool {
    let chunk = key.strip_prefix(prefix);
    let number = chunk.and_then(|chunk| chunk.parse::<i32>().ok());
    number.is_some_and(|number| format!("{prefix}{number:010}") == key)
}

/// The value of a chunk after this was said too; `None` if it stays as it is, unless it is to be written in any case.
fn merged(
    key: &str,
    value: &[u8],
    said: &[Seen],
    now: Timestamp,
    in_any_case: bool,
) -> Option<Bytes> {
    // What is known was read or written here.
    let before = rows(key, value).unwrap_or_default();
    let mut after: Contents = before.iter().map(|(id, row)| (*id, row.seen)).collect();
    let mut is_changed = false;
    for seen in said {
        let known = after.entry(seen.instance).or_insert_with(|| {
            is_changed = true;
            *seen
        });
        // What is still to come was said by a fast clock. It must not win until then.
        let is_early = known.last_seen > now;
        // Silence is concluded from the last signal, and so it is the later of two things said of one.
        if is_early || (known.last_seen, known.state) < (seen.last_seen, seen.state) {
            is_changed |= known != seen;
            *known = *seen;
        }
    }
    if !is_changed && !in_any_case {
        return None;
    }
    let mut message = Vec::new();
    for seen in after.values() {
        match before.get(&seen.instance) {
            // It may have fields that only a later release knows.
            Some(row) if row.seen == *seen => protobuf::put_bytes(&mut message, 1, row.stored),
            _ => value::put(&mut message, 1, seen),
        }
    }
    Some(value::seal(key, &message).into())
}

/// What a chunk says of one instance, and the message that says it.
struct Row<'a> {
    seen: Seen,
    stored: &'a [u8],
}

/// What the value of a chunk says; an empty value is that of a chunk that is not there.
fn contents(key: &str, value: &[u8]) -> Result<Contents, Invalid> {
    let rows = rows(key, value)?.into_iter();
    Ok(rows.map(|(instance, row)| (instance, row.seen)).collect())
}

fn rows<'a>(key: &str, value: &'a [u8]) -> Result<BTreeMap<InstanceId, Row<'a>>, Invalid> {
    let mut rows = BTreeMap::new();
    if value.is_empty() {
        return Ok(rows);
    }
    for field in Fields::of(value::unseal(key, value)?) {
        if let (1, Value::Bytes(stored)) = field? {
            let seen: Seen = value::row(stored)?;
            rows.insert(seen.instance, Row { seen, stored });
        }
    }
    Ok(rows)
}
