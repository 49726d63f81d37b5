//! The log of batches, and the snapshot of its beginning.

mod audit;
mod read;
mod snapshot;

use std::collections::BTreeSet;

use rollcall_domain::inventory::Row;
use rollcall_etcd::proto::{
    KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
    range_request::{SortOrder, SortTarget},
};
use rollcall_etcd::request::{equal, is_absent, put};

use super::{Commit, Counts, Error, Record, Remote, corrupt, value};
use crate::{Damage, codec::entry};
use read::Stop;

pub(super) use snapshot::Extent;

/// The largest entry, in bytes of rows; one row alone may be larger ([`MAX_NAME_BYTES`](super::MAX_NAME_BYTES)).
const ENTRY_BYTES: usize = 512 * 1024;

/// The log as this collector knows it.
#[derive(Debug)]
pub(super) struct Log {
    /// The key prefix of the entries.
    prefix: String,
    /// The key prefix of the snapshot's parts.
    snapshot: String,
    extent: Extent,
    known: LogEnd,
    /// The last entry of each known part of the snapshot.
    parts: BTreeSet<u64>,
    /// Whether the log may have entries that are not applied: those of other collectors, or of a commit whose result is unknown.
    is_stale: bool,
    /// Whether a missing or overwritten key has been reported.
    is_damaged: bool,
    /// Whether an entry or part before the known position was written since that report, so that the missing key may be back.
    may_be_whole: bool,
    /// Whether the last attempt to extend the snapshot failed. It is not retried before the keys are listed again.
    is_stalled: bool,
}

/// The known end of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogEnd {
    last: Option<Position>,
    totals: Counts,
}

/// The position of an applied entry. An entry is never written twice, so its position distinguishes one history of the log from
/// another.
#[derive(Clone, Copy, Debug)]
struct Position {
    index: u64,
    /// The create revision; 0 for an entry that was read from the snapshot.
    revision: i64,
    /// The checksum of the entry. The revision alone is not enough, because an etcd that was rolled back may assign it a second
    /// time.
    checksum: Option<[u8; 4]>,
}

impl Position {
    const fn next(self) -> u64 {
        self.index.saturating_add(1)
    }
}

impl Log {
    /// A log without known entries.
    pub(super) fn new(remote: &Remote, extent: Extent) -> Self {
        Self {
            prefix: remote.key("log/"),
            snapshot: remote.key("snapshot/"),
            extent,
            known: LogEnd::default(),
            parts: BTreeSet::new(),
            is_stale: false,
            is_damaged: false,
            may_be_whole: false,
            is_stalled: false,
        }
    }

    /// The known end of the log.
    pub(super) fn known(&self) -> LogEnd {
        self.known
    }

    /// Forgets the entries after `known`, so that they are read again.
    pub(super) fn forget_after(&mut self, known: LogEnd) {
        self.known = known;
        self.is_stale = true;
    }

    /// Applies the entries of watch events and emits their rows. Returns `false` if the log must be read as well.
    pub(super) fn apply(
        &mut self,
        entries: &[KeyValue],
        sink: &mut dyn FnMut(Record),
    ) -> Result<bool, Error> {
        for entry in entries {
            let next = self.next();
            match self.index(entry) {
                Some(index) if index == next => {
                    self.advance(next, entry, sink)?;
                    // The conflicting entry has been applied.
                    self.is_stale = false;
                }
                Some(index) if index > next => return Ok(false),
                Some(_) if entry.version > 1 => {
                    self.is_damaged = true;
                    sink(Record::Damage(Damage::hard(entry, "it was overwritten")));
                }
                Some(_) => self.may_be_whole = true,
                None => sink(Record::Damage(foreign(entry))),
            }
        }
        Ok(!self.is_stale)
    }

    /// Whether to audit the keys again, because damage was reported and a key before the known position was written since.
    pub(super) fn may_be_whole(&self) -> bool {
        self.is_damaged && self.may_be_whole
    }

    /// The number of rows of each kind in the log.
    pub(super) fn counts(&self, remote: &Remote) -> Result<Counts, Error> {
        let last = remote.range(RangeRequest {
            key: self.prefix.clone().into_bytes(),
            // Excludes foreign keys that sort after the digits of an index.
            range_end: self.key_after_all(),
            limit: 1,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Key.into(),
            ..RangeRequest::default()
        })?;
        let last = last.kvs.first().filter(|last| self.index(last).is_some());
        last.map_or(Ok(Counts::default()), |last| self.decode(last, &mut |_| ()))
    }

    /// Appends rows after the last known entry. If there are no rows, appends an entry with only the digest.
    pub(super) fn append(
        &mut self,
        remote: &Remote,
        rows: &[&Row],
        digest: Option<u64>,
    ) -> Result<Commit, Error> {
        let LogEnd {
            mut last,
            mut totals,
        } = self.known;
        // Stays set until every entry is known to be written.
        self.is_stale = true;
        let mut rows = rows.iter().peekable();
        let mut is_whole = false;
        let mut row = Vec::new();
        while !is_whole {
            let mut message = Vec::new();
            while let Some(next) = rows.peek() {
                row.clear();
                let mut with = totals;
                entry::put_row(&mut row, next, &mut with);
                if !message.is_empty() && message.len() + row.len() > ENTRY_BYTES {
                    break;
                }
                message.extend_from_slice(&row);
                totals = with;
                rows.next();
            }
            is_whole = rows.peek().is_none();
            // Only the last entry has the digest, which covers the whole batch.
            entry::close(&mut message, &totals, digest.filter(|_| is_whole));
            let Some(place) = self.create(remote, last, &message)? else {
                return Ok(Commit::Conflict);
            };
            last = Some(place);
        }
        self.known = LogEnd { last, totals };
        self.is_stale = false;
        Ok(Commit::Durable)
    }

    /// Creates the entry after `last`; returns `None` if another collector created one first.
    fn create(
        &self,
        remote: &Remote,
        last: Option<Position>,
        message: &[u8],
    ) -> Result<Option<Position>, Error> {
        let index = last.map_or(1, Position::next);
        let key = self.key(index);
        let on_top = last.map(|last| self.is_still(last));
        let value = value::seal(&key, message);
        let checksum = value::stored_checksum(&value);
        let written = remote.transaction(TxnRequest {
            compare: on_top.into_iter().chain([is_absent(&*key)]).collect(),
            success: vec![put(&*key, value)],
            failure: Vec::new(),
        })?;
        let revision = written.header.map_or(0, |header| header.revision);
        Ok(written.succeeded.then_some(Position {
            index,
            revision,
            checksum,
        }))
    }

    /// The condition that the last known entry is unchanged; `None` if no entry is known.
    pub(super) fn is_unchanged(&self) -> Option<rollcall_etcd::proto::Compare> {
        self.known.last.map(|last| self.is_still(last))
    }

    fn is_still(&self, place: Position) -> rollcall_etcd::proto::Compare {
        let revision = TargetUnion::CreateRevision(place.revision);
        equal(self.key(place.index), CompareTarget::Create, revision)
    }

    fn advance(
        &mut self,
        index: u64,
        entry: &KeyValue,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let totals = self.decode(entry, sink)?;
        let last = Some(Position {
            index,
            revision: entry.create_revision,
            checksum: value::stored_checksum(&entry.value),
        });
        self.known = LogEnd { last, totals };
        Ok(())
    }

    /// The index of the first unknown entry.
    fn next(&self) -> u64 {
        self.known.last.map_or(1, Position::next)
    }

    fn index(&self, entry: &KeyValue) -> Option<u64> {
        index(&self.prefix, &entry.key)
    }

    fn key(&self, index: u64) -> String {
        format!("{}{index:020}", self.prefix)
    }

    fn key_after_all(&self) -> Vec<u8> {
        format!("{}:", self.prefix).into_bytes()
    }

    /// Emits the rows of an entry, and returns the number of rows up to it.
    fn decode(&self, pair: &KeyValue, sink: &mut dyn FnMut(Record)) -> Result<Counts, Error> {
        let key = String::from_utf8_lossy(&pair.key);
        value::unseal(&key, &pair.value)
            .and_then(|message| entry::read(message, sink))
            .map_err(|invalid| corrupt(key.into_owned(), invalid))
    }
}

/// The index in a key below `prefix`; `None` for a key that is not of this format.
fn index(prefix: &str, key: &[u8]) -> Option<u64> {
    let digits = key.strip_prefix(prefix.as_bytes())?;
    if digits.len() != 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Damage by a key that Rollcall did not write. It is ignored.
fn foreign(pair: &KeyValue) -> Damage {
    Damage::soft(pair, "not a key of the store, ignored")
}
