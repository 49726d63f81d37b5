//! Values of the tables that are not decoded yet.

use std::path::Path;

use redb::TableHandle as _;
use rollcall_domain::inventory::{
    Address, Application, Instance, Operation, PropertiesBuffer, Row,
};

use super::{ADDRESSES, APPLICATIONS, INSTANCES, OPERATIONS, SEEN, Table, failure};
use crate::{
    Error, LastSeen, Reader, Record,
    codec::{self, Entry, Invalid},
};

/// The bytes of values after which a part of the store is full.
const FULL: usize = 64 * 1024;

/// One of the tables.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Application,
    Instance,
    Operation,
    Address,
    Seen,
}

impl Kind {
    pub(super) const fn table(self) -> Table {
        match self {
            Self::Application => APPLICATIONS,
            Self::Instance => INSTANCES,
            Self::Operation => OPERATIONS,
            Self::Address => ADDRESSES,
            Self::Seen => SEEN,
        }
    }
}

/// Values that were copied from the memory of the engine. To copy them takes much less time than to decode them.
pub(crate) struct Values {
    /// The name of the store in messages.
    store: Box<Path>,
    bytes: Vec<u8>,
    entries: Vec<Value>,
}

/// A value, which ends at this place in the bytes.
struct Value {
    kind: Kind,
    id: i32,
    end: usize,
}

impl Values {
    pub(super) fn new(store: &Path) -> Self {
        Self {
            store: store.into(),
            bytes: Vec::with_capacity(FULL),
            entries: Vec::with_capacity(FULL / 128),
        }
    }

    /// The name of the store in messages.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    pub(super) fn add(&mut self, kind: Kind, id: i32, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        let end = self.bytes.len();
        self.entries.push(Value { kind, id, end });
    }

    pub(crate) fn decode(self, reader: &mut dyn Reader) -> Result<(), Error> {
        let mut properties = PropertiesBuffer::default();
        let mut start = 0;
        for Value { kind, id, end } in self.entries {
            let value = self.bytes.get(start..end).unwrap_or_default();
            let invalid = |invalid| corrupt(&self.store, kind.table(), id, &invalid);
            match kind {
                Kind::Instance => {
                    let instance = codec::decode_instance(id, value, &mut properties);
                    reader.instance(instance.map_err(invalid)?);
                }
                _ => reader.record(decode(kind, id, value).map_err(invalid)?),
            }
            start = end;
        }
        Ok(())
    }
}

fn decode(kind: Kind, id: i32, value: &[u8]) -> Result<Record, Invalid> {
    fn row<E: Entry + Into<Row>>(id: i32, value: &[u8]) -> Result<Record, Invalid> {
        codec::decode::<E>(id, value).map(|entry| Record::Row(entry.into()))
    }
    match kind {
        Kind::Application => row::<Application>(id, value),
        Kind::Instance => row::<Instance>(id, value),
        Kind::Operation => row::<Operation>(id, value),
        Kind::Address => row::<Address>(id, value),
        Kind::Seen => codec::decode::<LastSeen>(id, value).map(Record::LastSeen),
    }
}

/// The error for a value of the store that cannot be read.
pub(super) fn corrupt(store: &Path, table: Table, id: i32, invalid: &Invalid) -> Error {
    failure::corrupt(store, format!("{} {id}: {invalid}", table.name()))
}
