//! The snapshot: the rows of the oldest entries of the log, in parts.
//!
//! A part replaces consecutive entries. One transaction creates the part and deletes the entries, on the condition that the first
//! and the last of them are unchanged since they were read. So a part is never incomplete, and of two collectors that shorten the
//! log at once only one succeeds. The rows after any entry that a collector knows are always in entries or in parts.
//!
//! The first entry is never replaced, and neither are the last [`Extent::kept`] entries. A collector that was paused appends after
//! an entry that it names, or creates the first entry. etcd refuses both, no matter how many entries were replaced meanwhile.
//!
//! A part keeps the checksums of its entries. A collector whose last known entry was replaced finds its checksum in a part and
//! continues with the rows after it. After a rollback of etcd the checksum differs or no such part exists.

use bytes::Bytes;
use rollcall_etcd::proto::{
    KeyValue, TxnRequest,
    compare::{CompareTarget, TargetUnion},
};
use rollcall_etcd::request::{delete_range, equal, is_absent, put};
use rollcall_protobuf::{self as protobuf, Fields, Value};

use super::{Log, Position, Stop, corrupt, index, value};
use crate::{
    Record,
    codec::{Invalid, entry, entry::Merged},
    error::Error,
    etcd::Remote,
};

/// How much of the log the snapshot replaces.
#[derive(Clone, Copy, Debug)]
pub(in crate::etcd) struct Extent {
    /// The number of entries, at least one, that stay at the end of the log for collectors that read it.
    pub(in crate::etcd) kept: u64,
    /// The number of entries that one part replaces, if their rows fit into it.
    pub(in crate::etcd) part: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            kept: 1024,
            part: 1024,
        }
    }
}

/// The largest part, in bytes of rows; one entry alone may be larger.
const PART_BYTES: usize = 512 * 1024;

/// Bytes of an entry's checksum.
const CHECKSUM: usize = 4;

/// Entries that the next part replaces.
#[derive(Default)]
struct Run {
    entries: Vec<Replaced>,
    rows: Merged,
}

struct Replaced {
    index: u64,
    revision: i64,
    checksum: [u8; CHECKSUM],
}

impl Log {
    /// Replaces the oldest entries by a part of the snapshot, if enough entries follow them. Changes nothing if another collector
    /// does so first.
    ///
    /// # Errors
    /// Those of the calls to etcd, or an entry to replace cannot be read.
    pub(in crate::etcd) fn shorten(&mut self, remote: &Remote) -> Result<(), Error> {
        let Extent { kept, part } = self.extent;
        let unreplaced = self.next().saturating_sub(self.first_unreplaced());
        let many = kept.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
        if self.is_stalled || unreplaced < many {
            return Ok(());
        }
        self.is_stalled = true;
        let run = self.run(remote)?;
        let (Some(first), Some(last)) = (run.entries.first(), run.entries.last()) else {
            return Ok(());
        };
        let key = self.part_key(last.index);
        let is_as_read = |entry: &Replaced| {
            let revision = TargetUnion::ModRevision(entry.revision);
            equal(self.key(entry.index), CompareTarget::Mod, revision)
        };
        let after = self.key(last.index.saturating_add(1)).into_bytes();
        let entries = delete_range(self.key(first.index), after);
        let compare = vec![is_as_read(first), is_as_read(last), is_absent(&*key)];
        let end = last.index;
        let message = message(first.index, &run.entries, run.rows);
        let replaced = remote.transaction(TxnRequest {
            compare,
            success: vec![put(&*key, value::seal(&key, &message)), entries],
            failure: Vec::new(),
        })?;
        if replaced.succeeded {
            self.parts.insert(end);
            self.is_stalled = false;
        }
        Ok(())
    }

    /// The index of the first entry after the last part. The first entry of the log is in no part.
    pub(super) fn first_unreplaced(&self) -> u64 {
        self.parts.last().copied().unwrap_or(1).saturating_add(1)
    }

    /// Reads the entries that the next part replaces.
    fn run(&mut self, remote: &Remote) -> Result<Run, Error> {
        let mut run = Run::default();
        let first = self.first_unreplaced();
        let end = self.next().saturating_sub(self.extent.kept);
        let prefix = self.prefix.clone();
        let listed = remote.each(&prefix, self.key(first).into_bytes(), |pair| {
            let Some(index) = index(&self.prefix, &pair.key) else {
                return Ok(());
            };
            let next = run.entries.last().map_or(first, |last| last.index + 1);
            if index != next {
                // Another collector replaced the entries between two pages of this list, or an entry was deleted, which the
                // audit reports. The part ends here; it is created only if its entries still exist.
                return Err(Stop::Hole);
            }
            let is_full = run.entries.len() >= self.extent.part
                || !run.entries.is_empty() && run.rows.len() + pair.value.len() > PART_BYTES;
            if index >= end || is_full {
                return Err(Stop::Hole);
            }
            run.add(index, pair)?;
            Ok(())
        });
        match listed {
            Ok(()) | Err(Stop::Hole) => Ok(run),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Emits the rows of the parts after the known position. Returns whether there were any.
    pub(super) fn read_parts(
        &mut self,
        remote: &Remote,
        is_same_log: &mut bool,
        sink: &mut dyn FnMut(Record),
    ) -> Result<bool, Error> {
        let from = self.part_key(self.known.last.map_or(0, |last| last.index));
        let prefix = self.snapshot.clone();
        let mut has_read = false;
        let listed = remote.each(&prefix, from.into_bytes(), |pair| {
            let Some(last) = index(&prefix, &pair.key) else {
                sink(Record::Damage(super::foreign(pair)));
                return Ok(());
            };
            self.parts.insert(last);
            let key = String::from_utf8_lossy(&pair.key);
            let unreadable = |invalid: Invalid| corrupt(key.clone().into_owned(), invalid);
            let part = value::unseal(&key, &pair.value)
                .and_then(|message| Part::read(message, last))
                .map_err(unreadable)?;
            if let Some(known) = self.known.last.filter(|_| !*is_same_log) {
                let found = part.checksum(known.index);
                *is_same_log = found.is_some() && found == known.checksum;
                has_read = *is_same_log;
            }
            let next = self.next();
            if !*is_same_log || part.first > next {
                return Err(Stop::Error(self.missing(*is_same_log)));
            }
            if last < next {
                return Ok(());
            }
            self.known.totals = entry::read(part.batch, sink).map_err(unreadable)?;
            self.known.last = Some(Position {
                index: last,
                revision: 0,
                checksum: part.checksum(last),
            });
            has_read = true;
            Ok(())
        });
        match listed {
            Ok(()) | Err(Stop::Hole) => Ok(has_read),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    pub(super) fn part_key(&self, last: u64) -> String {
        format!("{}{last:020}", self.snapshot)
    }

    /// Records the part stored under a key.
    pub(in crate::etcd) fn record_part(&mut self, key: &[u8]) {
        self.parts.extend(index(&self.snapshot, key));
        self.may_be_whole = true;
        self.is_stalled = false;
    }
}

impl Run {
    fn add(&mut self, index: u64, pair: &KeyValue) -> Result<(), Error> {
        let key = String::from_utf8_lossy(&pair.key);
        let unreadable = |invalid: Invalid| corrupt(key.clone().into_owned(), invalid);
        let message = value::unseal(&key, &pair.value).map_err(unreadable)?;
        let message: Bytes = pair.value.slice_ref(message);
        self.rows.add(&message).map_err(unreadable)?;
        self.entries.push(Replaced {
            index,
            revision: pair.mod_revision,
            checksum: value::stored_checksum(&pair.value).unwrap_or_default(),
        });
        Ok(())
    }
}

fn message(first: u64, entries: &[Replaced], rows: Merged) -> Vec<u8> {
    let checksums: Vec<u8> = entries.iter().flat_map(|entry| entry.checksum).collect();
    let mut message = Vec::new();
    protobuf::put_varint(&mut message, 1, first);
    protobuf::put_bytes(&mut message, 2, &checksums);
    protobuf::put_bytes(&mut message, 3, &rows.into_message());
    message
}

/// A decoded part.
struct Part<'a> {
    first: u64,
    checksums: &'a [[u8; CHECKSUM]],
    batch: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(message: &'a [u8], last: u64) -> Result<Self, Invalid> {
        let mut part = Self {
            first: 0,
            checksums: &[],
            batch: &[],
        };
        for field in Fields::of(message) {
            match field? {
                (1, Value::Varint(first)) => part.first = first,
                (2, Value::Bytes(checksums)) => part.checksums = checksums.as_chunks().0,
                (3, Value::Bytes(batch)) => part.batch = batch,
                _ => {}
            }
        }
        let entries = last.checked_sub(part.first).map(|before| before + 1);
        if entries != u64::try_from(part.checksums.len()).ok() {
            return Err(Invalid::Missing("the checksum of an entry"));
        }
        Ok(part)
    }

    fn checksum(&self, index: u64) -> Option<[u8; CHECKSUM]> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.checksums.get(place).copied()
    }
}
