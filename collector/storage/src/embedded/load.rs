//! Reads the whole store.

use std::mem;

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _,
};

use super::{
    ADDRESSES, APPLICATIONS, Embedded, INSTANCES, OPERATIONS, SEEN, Table,
    values::{self, Kind, Values},
};
use crate::{
    Counts, Error,
    codec::{self, Entry},
};

/// Takes the values of the store in parts.
type Take<'a> = dyn FnMut(Values) -> Result<(), Error> + 'a;

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

    /// Reads every row and every last-seen time.
    pub(super) fn load_all(&self, take: &mut Take<'_>) -> Result<(), Error> {
        let transaction = self.begin_read()?;
        let mut parts = Parts {
            values: Values::new(&self.store),
            take,
        };
        self.load_table(&transaction, Kind::Application, &mut parts)?;
        self.load_instances(&transaction, &mut parts)?;
        self.load_table(&transaction, Kind::Operation, &mut parts)?;
        self.load_table(&transaction, Kind::Address, &mut parts)?;
        (parts.take)(parts.values)
    }

    /// Reads each instance together with its last-seen time, so that the lease finds the instance in the cache of the processor.
    fn load_instances(
        &self,
        transaction: &ReadTransaction,
        parts: &mut Parts<'_, '_>,
    ) -> Result<(), Error> {
        let instances = self.open_table(transaction, INSTANCES)?;
        let seen = self.open_table(transaction, SEEN)?;
        let mut seen = seen.iter().map_err(|e| self.engine(e))?.peekable();
        for instance in instances.iter().map_err(|e| self.engine(e))? {
            let (id, value) = instance.map_err(|e| self.engine(e))?;
            let id = id.value();
            parts.add(Kind::Instance, id, value.value())?;
            let is_due = |seen: &Result<(redb::AccessGuard<'_, i32>, _), _>| match seen {
                Ok((seen, _)) => seen.value() <= id,
                Err(_) => true,
            };
            while let Some(seen) = seen.next_if(is_due) {
                let (id, value) = seen.map_err(|e| self.engine(e))?;
                parts.add(Kind::Seen, id.value(), value.value())?;
            }
        }
        for seen in seen {
            let (id, value) = seen.map_err(|e| self.engine(e))?;
            parts.add(Kind::Seen, id.value(), value.value())?;
        }
        Ok(())
    }

    fn load_table(
        &self,
        transaction: &ReadTransaction,
        kind: Kind,
        parts: &mut Parts<'_, '_>,
    ) -> Result<(), Error> {
        let table = self.open_table(transaction, kind.table())?;
        for entry in table.iter().map_err(|e| self.engine(e))? {
            let (id, value) = entry.map_err(|e| self.engine(e))?;
            parts.add(kind, id.value(), value.value())?;
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

    pub(super) fn decode<E: Entry>(&self, table: Table, id: i32, value: &[u8]) -> Result<E, Error> {
        codec::decode(id, value)
            .map_err(|invalid| values::corrupt(&self.store, table, id, &invalid))
    }
}

/// Values up to the next full part.
struct Parts<'a, 'b> {
    values: Values,
    take: &'a mut Take<'b>,
}

impl Parts<'_, '_> {
    fn add(&mut self, kind: Kind, id: i32, value: &[u8]) -> Result<(), Error> {
        self.values.add(kind, id, value);
        if !self.values.is_full() {
            return Ok(());
        }
        let next = Values::new(self.values.store());
        (self.take)(mem::replace(&mut self.values, next))
    }
}

/// The number of entries of a table, which the engine keeps next to the table's root.
fn count(transaction: &ReadTransaction, table: Table) -> Result<usize, redb::Error> {
    let entries = transaction.open_table(table)?.len()?;
    // A table keyed by `i32` never has more entries than a usize can hold.
    Ok(usize::try_from(entries).unwrap_or(usize::MAX))
}
