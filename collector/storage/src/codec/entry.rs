//! The message of a log entry: a batch of rows, the totals up to it, and a digest.

use std::collections::HashMap;

use bytes::Bytes;
use rollcall_domain::inventory::Row;
use rollcall_protobuf::{self as protobuf, Fields, Value};

use super::{Invalid, row};
use crate::{Counts, Record};

/// The fields of the rows, one per dictionary.
const ROWS: std::ops::RangeInclusive<u32> = 1..=4;
/// The digest that builds of version 1 compare. It covers properties, which now change outside the log.
const DIGEST_V1: u32 = 9;
const DIGEST: u32 = 10;

/// Appends a row and counts it.
pub(crate) fn put_row(message: &mut Vec<u8>, row: &Row, totals: &mut Counts) {
    let total = match row {
        Row::Application(row) => {
            row::put(message, 1, row);
            &mut totals.applications
        }
        Row::Instance(row) => {
            row::put(message, 2, row);
            &mut totals.instances
        }
        Row::Operation(row) => {
            row::put(message, 3, row);
            &mut totals.operations
        }
        Row::Address(row) => {
            row::put(message, 4, row);
            &mut totals.addresses
        }
    };
    *total += 1;
}

/// Completes the message of an entry with the totals and the digest.
pub(crate) fn close(message: &mut Vec<u8>, totals: &Counts, digest: Option<u64>) {
    let totals = [
        totals.applications,
        totals.instances,
        totals.operations,
        totals.addresses,
    ];
    for (field, total) in (5..).zip(totals) {
        protobuf::put_varint(message, field, u64::try_from(total).unwrap_or(u64::MAX));
    }
    if let Some(digest) = digest {
        protobuf::put_bytes(message, DIGEST, &digest.to_le_bytes());
    }
}

/// Emits the rows and the digest of a message, and returns the totals up to it.
pub(crate) fn read(message: &[u8], sink: &mut dyn FnMut(Record)) -> Result<Counts, Invalid> {
    let mut totals = Counts::default();
    let mut digest = None;
    let mut emit = |row| sink(Record::Row(row));
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(field)) => emit(Row::Application(row::read(field)?)),
            (2, Value::Bytes(field)) => emit(Row::Instance(row::read(field)?)),
            (3, Value::Bytes(field)) => emit(Row::Operation(row::read(field)?)),
            (4, Value::Bytes(field)) => emit(Row::Address(row::read(field)?)),
            (5, Value::Varint(total)) => totals.applications = count(total),
            (6, Value::Varint(total)) => totals.instances = count(total),
            (7, Value::Varint(total)) => totals.operations = count(total),
            (8, Value::Varint(total)) => totals.addresses = count(total),
            (DIGEST, Value::Bytes(bytes)) => {
                digest = bytes.try_into().ok().map(u64::from_le_bytes);
            }
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

/// The merged message of consecutive entries. Rows are copied as bytes, so that fields of later releases are kept.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// Rows and unknown fields, in order; `None` for a row that a later state replaced.
    fields: Vec<Option<(u32, Bytes)>>,
    /// The position of each row, by dictionary and id.
    by_id: HashMap<(u32, u64), usize>,
    /// Totals and unknown numbers, with the values of the last entry.
    numbers: HashMap<u32, u64>,
    /// The digest of the last entry, if it has one.
    digest: Option<Bytes>,
    bytes: usize,
}

impl Merged {
    /// An upper bound of the message's size so far, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Adds the message of the next entry.
    pub(crate) fn add(&mut self, message: &Bytes) -> Result<(), Invalid> {
        self.digest = None;
        for field in Fields::of(message) {
            match field? {
                (DIGEST_V1, _) => {}
                (DIGEST, Value::Bytes(digest)) => self.digest = Some(message.slice_ref(digest)),
                (number, Value::Varint(value)) => {
                    self.numbers.insert(number, value);
                }
                (number, Value::Bytes(bytes)) => {
                    self.replace(number, bytes)?;
                    self.bytes += bytes.len() + 8;
                    self.fields.push(Some((number, message.slice_ref(bytes))));
                }
                (_, Value::Fixed) => {}
            }
        }
        Ok(())
    }

    /// Removes the earlier state of a row, before the later one is added.
    fn replace(&mut self, number: u32, row: &[u8]) -> Result<(), Invalid> {
        if !ROWS.contains(&number) {
            return Ok(());
        }
        let id = row::id(row)?;
        let before = self.by_id.insert((number, id), self.fields.len());
        let before = before.and_then(|place| self.fields.get_mut(place)?.take());
        self.bytes -= before.map_or(0, |(_, bytes)| bytes.len() + 8);
        Ok(())
    }

    /// The message.
    pub(crate) fn into_message(self) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.bytes + 64);
        for (number, bytes) in self.fields.into_iter().flatten() {
            protobuf::put_bytes(&mut message, number, &bytes);
        }
        let mut numbers: Vec<_> = self.numbers.into_iter().collect();
        numbers.sort_unstable();
        for (number, value) in numbers {
            protobuf::put_varint(&mut message, number, value);
        }
        if let Some(digest) = self.digest {
            protobuf::put_bytes(&mut message, DIGEST, &digest);
        }
        message
    }
}
