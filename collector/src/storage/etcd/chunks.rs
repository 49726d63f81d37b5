//! When instances were last heard of: many instances in one key, which is replaced.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use rollcall_domain::{InstanceId, Timestamp};
use rollcall_proto::etcd::{
    KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
};

use super::{Commit, Error, Record, Remote, corrupt, value};
use crate::{
    clock::Clock,
    etcd::request::{end_of, equal, found, get, put},
    protobuf::{Fields, Value},
    storage::{Seen, format::Invalid},
};

/// Instances in a chunk: those with neighbouring ids.
const SIZE: i32 = 1024;
/// Chunks that are written at once: far from the 128 operations of a transaction, and from the size of a request.
const AT_ONCE: usize = 16;
/// Chunks that are asked for at once.
const PAGE: i64 = 1024;
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
        remote.each(&prefix, from, PAGE, |chunk| {
            gone.remove(&*String::from_utf8_lossy(&chunk.key));
            self.refresh(chunk)
        })?;
        if let Some(key) = gone.into_iter().next() {
            return Err(put_back(key));
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
            return Err(put_back(key.into_owned()));
        }
        self.learn(chunk)
    }

    fn revision(&self, key: &str) -> i64 {
        self.known.get(key).map_or(0, |chunk| chunk.revision)
    }

    /// Takes a chunk in as it is, or as it was a while ago.
    fn learn(&mut self, chunk: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&chunk.key).into_owned();
        let known = self.known.entry(key.clone()).or_default();
        if chunk.mod_revision <= known.revision {
            return Ok(());
        }
        let (before, told) = (contents(&key, &known.value)?, contents(&key, &chunk.value)?);
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
        let by_chunk: Vec<_> = by_chunk
            .into_iter()
            .map(|(chunk, seen)| (format!("{}{chunk:010}", self.prefix), seen))
            .collect();
        for some in by_chunk.chunks(AT_ONCE) {
            let mut attempts = 0..ATTEMPTS;
            while !self.try_merge(remote, some)? {
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
            let Some(value) = merged(key, &known.value, seen, self.clock.wall())? else {
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
            let known = values
                .into_iter()
                .map(|(key, value)| (key, Chunk { revision, value }));
            self.known.extend(known);
            return Ok(true);
        }
        for ((key, _), response) in values.into_iter().zip(&written.responses) {
            match found(response) {
                Some(chunk) => self.refresh(chunk)?,
                None if self.revision(&key) > 0 => return Err(put_back(key)),
                None => {}
            }
        }
        Ok(false)
    }
}

/// A chunk is never deleted, and never becomes what it was.
fn put_back(key: String) -> Error {
    let what = "it is not what was read later: was etcd put back to an earlier state?";
    corrupt(key, what)
}

/// The value of a chunk after this was said too; `None` if it stays as it is.
fn merged(key: &str, value: &[u8], said: &[Seen], now: Timestamp) -> Result<Option<Bytes>, Error> {
    let before = contents(key, value)?;
    let mut after = before.clone();
    for seen in said {
        let known = after.entry(seen.instance).or_insert(*seen);
        // What is still to come was said by a fast clock. It must not win until then.
        let is_early = known.last_seen > now;
        // Silence is concluded from the last signal, and so it is the later of two things said of one.
        if is_early || (known.last_seen, known.state) < (seen.last_seen, seen.state) {
            *known = *seen;
        }
    }
    if after == before {
        return Ok(None);
    }
    let mut message = Vec::new();
    for seen in after.values() {
        value::put(&mut message, 1, seen);
    }
    Ok(Some(value::seal(key, &message).into()))
}

/// What the value of a chunk says; an empty value is that of a chunk that is not there.
fn contents(key: &str, value: &[u8]) -> Result<Contents, Error> {
    if value.is_empty() {
        return Ok(Contents::new());
    }
    value::unseal(key, value)
        .and_then(decode)
        .map_err(|invalid| corrupt(key.to_owned(), invalid))
}

fn decode(message: &[u8]) -> Result<Contents, Invalid> {
    let mut contents = Contents::new();
    for field in Fields::of(message) {
        if let (1, Value::Bytes(field)) = field? {
            let seen: Seen = value::row(field)?;
            contents.insert(seen.instance, seen);
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use rollcall_domain::liveness::{Signal, State};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn seen(millis: i64, state: State) -> Seen {
        Seen {
            instance: InstanceId::new(7).unwrap(),
            last_seen: Timestamp::from_millis(NOW + millis),
            signal: Signal::Heartbeat,
            state,
        }
    }

    /// What stands in a chunk once these are said one after the other.
    fn after(said: &[Seen]) -> Seen {
        let value = said.iter().fold(Bytes::new(), |value, seen| {
            let now = Timestamp::from_millis(NOW);
            let merged = merged("c", &value, &[*seen], now).unwrap();
            merged.unwrap_or(value)
        });
        contents("c", &value).unwrap()[&said[0].instance]
    }

    #[test]
    fn the_later_signal_stands_and_what_is_concluded_from_it() {
        let (early, late) = (seen(-2_000, State::Up), seen(-1_000, State::Up));
        assert_eq!(after(&[late, early]), late);
        assert_eq!(after(&[late, seen(-2_000, State::Down)]), late);
        let down = seen(-1_000, State::Down);
        assert_eq!(after(&[late, down]), down);
        assert_eq!(after(&[down, late]), down);
    }

    #[test]
    fn a_signal_from_the_future_gives_way_to_whatever_is_said_next() {
        let fast = seen(3_600_000, State::Up);
        for next in [seen(-1_000, State::Up), seen(-1_000, State::Silent)] {
            assert_eq!(after(&[fast, next]), next);
        }
        let of_this_moment = seen(0, State::Up);
        assert_eq!(
            after(&[of_this_moment, seen(-1, State::Up)]),
            of_this_moment
        );
    }
}
