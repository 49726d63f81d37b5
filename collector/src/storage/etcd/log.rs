//! The log of batches.

use rollcall_domain::inventory::Row;
use rollcall_proto::etcd::{
    KeyValue, RangeRequest, TxnRequest,
    compare::{CompareTarget, TargetUnion},
    range_request::{SortOrder, SortTarget},
};

use super::{Batch, Commit, Counts, Error, Record, Remote, corrupt, value};
use crate::{
    etcd::request::{end_of, equal, is_absent, put},
    protobuf::{self, Fields, Value},
    storage::format::Invalid,
};

/// Bytes of rows after which an entry is closed: well below the 1.5 MiB that etcd takes in one request.
const ENTRY_BYTES: usize = 512 * 1024;
/// Entries that are asked for at once.
const PAGE: i64 = 256;

/// How far a collector knows the log.
#[derive(Debug)]
pub(super) struct Log {
    prefix: String,
    known: Known,
    /// Others may have gone on, or this collector itself without knowing it.
    is_behind: bool,
}

/// Up to where it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    last: Option<Place>,
    totals: Counts,
}

/// An entry that was seen. It is never written twice, so what it is tells one history from another.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: u64,
    /// Of its creation.
    revision: i64,
    /// Revisions count on from where etcd was put back to, and may be the same by then.
    checksum: Option<[u8; 4]>,
}

impl Place {
    const fn next(self) -> u64 {
        self.index.saturating_add(1)
    }
}

impl Log {
    /// A log of which nothing is known.
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            known: Known::default(),
            is_behind: false,
        }
    }

    /// Up to where it is known.
    pub(super) fn known(&self) -> Known {
        self.known
    }

    /// Forgets what came after `known`: it is to be read again.
    pub(super) fn forget_after(&mut self, known: Known) {
        self.known = known;
        self.is_behind = true;
    }

    /// Gives the rows of entries as others read them, and whether there is nothing that has to be read.
    pub(super) fn take(
        &mut self,
        entries: &[KeyValue],
        sink: &mut dyn FnMut(Record),
    ) -> Result<bool, Error> {
        for entry in entries {
            let (index, next) = (self.index(entry), self.next());
            if index == Some(next) {
                self.advance(next, entry, sink)?;
                // Whoever was first has been seen.
                self.is_behind = false;
            } else if index.is_none_or(|index| index > next) {
                return Ok(false);
            }
        }
        Ok(!self.is_behind)
    }

    /// How many rows of each kind it has.
    pub(super) fn counts(&self, remote: &Remote) -> Result<Counts, Error> {
        let last = remote.range(RangeRequest {
            key: self.prefix.clone().into_bytes(),
            range_end: end_of(&*self.prefix),
            limit: 1,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Key.into(),
            ..RangeRequest::default()
        })?;
        let Some(last) = last.kvs.first() else {
            return Ok(Counts::default());
        };
        self.decode(last, &mut |_| ())
    }

    /// Gives all rows that were not given before.
    pub(super) fn read(
        &mut self,
        remote: &Remote,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let known = self.known.last;
        let from = self.key(known.map_or(0, |known| known.index));
        let prefix = self.prefix.clone();
        let mut is_same_log = known.is_none();
        remote.each(&prefix, from.into_bytes(), PAGE, |pair| {
            let is_known = |known: Place| {
                pair.key == self.key(known.index).as_bytes()
                    && pair.create_revision == known.revision
                    && value::stored_checksum(&pair.value) == known.checksum
            };
            if !is_same_log && known.is_some_and(is_known) {
                is_same_log = true;
                return Ok(());
            }
            let next = self.next();
            if !is_same_log || self.index(pair) != Some(next) {
                let key = String::from_utf8_lossy(&pair.key);
                let what =
                    format!("the entry before it is not what was read, or {next} is missing");
                return Err(corrupt(key.into_owned(), what));
            }
            self.advance(next, pair, sink)
        })?;
        if !is_same_log {
            let what = "entries that were read are gone: was etcd put back to an earlier state?";
            return Err(corrupt(prefix, what));
        }
        self.is_behind = false;
        Ok(())
    }

    /// Appends rows on top of all that was read; without any, an entry that gives the digest alone, if there is one.
    pub(super) fn append(&mut self, remote: &Remote, batch: &Batch<'_>) -> Result<Commit, Error> {
        let Known {
            mut last,
            mut totals,
        } = self.known;
        let mut is_whole = batch.rows.is_empty() && batch.digest.is_none();
        // Until it is known how this ends.
        self.is_behind |= !is_whole;
        let mut rows = batch.rows.iter().peekable();
        while !is_whole {
            let mut message = Vec::new();
            while message.len() < ENTRY_BYTES
                && let Some(row) = rows.next()
            {
                put_row(&mut message, row, &mut totals);
            }
            put_totals(&mut message, &totals);
            is_whole = rows.peek().is_none();
            // It is that of the whole batch.
            if let (true, Some(digest)) = (is_whole, batch.digest) {
                protobuf::put_bytes(&mut message, 9, &digest.to_le_bytes());
            }
            let index = last.map_or(1, Place::next);
            let key = self.key(index);
            let on_top = last.map(|last| {
                let revision = TargetUnion::CreateRevision(last.revision);
                equal(self.key(last.index), CompareTarget::Create, revision)
            });
            let value = value::seal(&key, &message);
            let checksum = value::stored_checksum(&value);
            let written = remote.transaction(TxnRequest {
                compare: on_top.into_iter().chain([is_absent(&*key)]).collect(),
                success: vec![put(&*key, value)],
                failure: Vec::new(),
            })?;
            if !written.succeeded {
                return Ok(Commit::Behind);
            }
            let revision = written.header.map_or(0, |header| header.revision);
            last = Some(Place {
                index,
                revision,
                checksum,
            });
        }
        self.known = Known { last, totals };
        self.is_behind = false;
        Ok(Commit::Durable)
    }

    fn advance(
        &mut self,
        index: u64,
        entry: &KeyValue,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let totals = self.decode(entry, sink)?;
        let last = Some(Place {
            index,
            revision: entry.create_revision,
            checksum: value::stored_checksum(&entry.value),
        });
        self.known = Known { last, totals };
        Ok(())
    }

    /// The index of the first entry that is not known.
    fn next(&self) -> u64 {
        self.known.last.map_or(1, Place::next)
    }

    fn index(&self, entry: &KeyValue) -> Option<u64> {
        let index = entry.key.strip_prefix(self.prefix.as_bytes())?;
        str::from_utf8(index).ok()?.parse().ok()
    }

    fn key(&self, index: u64) -> String {
        format!("{}{index:020}", self.prefix)
    }

    /// Gives the rows of an entry, and how many there are up to it.
    fn decode(&self, pair: &KeyValue, sink: &mut dyn FnMut(Record)) -> Result<Counts, Error> {
        let key = String::from_utf8_lossy(&pair.key);
        value::unseal(&key, &pair.value)
            .and_then(|message| rows(message, sink))
            .map_err(|invalid| corrupt(key.into_owned(), invalid))
    }
}

fn put_row(message: &mut Vec<u8>, row: &Row, totals: &mut Counts) {
    let total = match row {
        Row::Application(row) => {
            value::put(message, 1, row);
            &mut totals.applications
        }
        Row::Instance(row) => {
            value::put(message, 2, row);
            &mut totals.instances
        }
        Row::Operation(row) => {
            value::put(message, 3, row);
            &mut totals.operations
        }
        Row::Address(row) => {
            value::put(message, 4, row);
            &mut totals.addresses
        }
    };
    *total += 1;
}

fn put_totals(message: &mut Vec<u8>, totals: &Counts) {
    let totals = [
        totals.applications,
        totals.instances,
        totals.operations,
        totals.addresses,
    ];
    for (field, total) in (5..).zip(totals) {
        protobuf::put_varint(message, field, u64::try_from(total).unwrap_or(u64::MAX));
    }
}

fn rows(message: &[u8], sink: &mut dyn FnMut(Record)) -> Result<Counts, Invalid> {
    let mut totals = Counts::default();
    let mut digest = None;
    let mut row = |row| sink(Record::Row(row));
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(field)) => row(Row::Application(value::row(field)?)),
            (2, Value::Bytes(field)) => row(Row::Instance(value::row(field)?)),
            (3, Value::Bytes(field)) => row(Row::Operation(value::row(field)?)),
            (4, Value::Bytes(field)) => row(Row::Address(value::row(field)?)),
            (5, Value::Varint(total)) => totals.applications = count(total),
            (6, Value::Varint(total)) => totals.instances = count(total),
            (7, Value::Varint(total)) => totals.operations = count(total),
            (8, Value::Varint(total)) => totals.addresses = count(total),
            (9, Value::Bytes(bytes)) => digest = bytes.try_into().ok().map(u64::from_le_bytes),
            _ => {}
        }
    }
    digest
        .into_iter()
        .for_each(|digest| sink(Record::Digest(digest)));
    Ok(totals)
}

fn count(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}
