//! Reads the whole store.

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, TableHandle as _,
};
use rollcall_domain::inventory::{Instance, Row};

use super::{ADDRESSES, APPLICATIONS, Embedded, INSTANCES, OPERATIONS, SEEN, Table, failure};
use crate::{
    Counts, Error, LastSeen, Record,
    codec::{self, Entry},
};

impl Embedded {
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, Error> {
        let begin = || Ok(self.database()?.begin_read()?);
        begin().map_err(|error: redb::Error| self.engine(error))
    }

    pub(super) fn count_all(&self) -> Result<Counts, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        Ok(Counts {
            applications: count(&transaction, APPLICATIONS)?,
            instances: count(&transaction, INSTANCES)?,
            operations: count(&transaction, OPERATIONS)?,
            addresses: count(&transaction, ADDRESSES)?,
            seen: count(&transaction, SEEN)?,
        })
    }

    /// Emits every row and every last-seen time.
    pub(super) fn load_all(&self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let transaction = self.begin_read()?;
        let from = &transaction;
        self.load_table(from, APPLICATIONS, |row| {
            sink(Record::Row(Row::Application(row)))
        })?;
        self.load_instances(from, sink)?;
        self.load_table(from, OPERATIONS, |row| {
            sink(Record::Row(Row::Operation(row)))
        })?;
        self.load_table(from, ADDRESSES, |row| sink(Record::Row(Row::Address(row))))
    }

    /// Emits each instance together with its last-seen time, so that a reader finds the instance in the cache of its processor.
    fn load_instances(
        &self,
        transaction: &ReadTransaction,
        sink: &mut dyn FnMut(Record),
    ) -> Result<(), Error> {
        let instances = self.open_table(transaction, INSTANCES)?;
        let seen = self.open_table(transaction, SEEN)?;
        let mut seen = self.entries::<LastSeen>(&seen, SEEN)?.peekable();
        for instance in self.entries::<Instance>(&instances, INSTANCES)? {
            let instance = instance?;
            let id = instance.id;
            sink(Record::Row(Row::Instance(instance)));
            let is_due = |seen: &Result<LastSeen, Error>| match seen {
                Ok(seen) => seen.instance <= id,
                Err(_) => true,
            };
            while let Some(seen) = seen.next_if(is_due) {
                sink(Record::LastSeen(seen?));
            }
        }
        seen.try_for_each(|seen| {
            sink(Record::LastSeen(seen?));
            Ok(())
        })
    }

    fn load_table<E: Entry>(
        &self,
        transaction: &ReadTransaction,
        table: Table,
        mut sink: impl FnMut(E),
    ) -> Result<(), Error> {
        let entries = self.open_table(transaction, table)?;
        for entry in self.entries(&entries, table)? {
            sink(entry?);
        }
        Ok(())
    }

    fn open_table(
        &self,
        transaction: &ReadTransaction,
        table: Table,
    ) -> Result<ReadOnlyTable<i32, &'static [u8]>, Error> {
        transaction.open_table(table).map_err(|e| self.engine(e))
    }

    /// The entries of an opened table in the order of their ids.
    fn entries<E: Entry>(
        &self,
        opened: &ReadOnlyTable<i32, &'static [u8]>,
        table: Table,
    ) -> Result<impl Iterator<Item = Result<E, Error>>, Error> {
        let entries = opened.iter().map_err(|e| self.engine(e))?;
        Ok(entries.map(move |entry| {
            let (id, value) = entry.map_err(|e| self.engine(e))?;
            self.decode(table, id.value(), value.value())
        }))
    }

    pub(super) fn decode<E: Entry>(&self, table: Table, id: i32, value: &[u8]) -> Result<E, Error> {
        codec::decode(id, value).map_err(|invalid| {
            let what = format!("{} {id}: {invalid}", table.name());
            failure::corrupt(&self.store, what)
        })
    }
}

/// The number of entries of a table, which the engine keeps next to the table's root.
fn count(transaction: &ReadTransaction, table: Table) -> Result<usize, redb::Error> {
    let entries = transaction.open_table(table)?.len()?;
    // A table keyed by `i32` never has more entries than a usize can hold.
    Ok(usize::try_from(entries).unwrap_or(usize::MAX))
}
