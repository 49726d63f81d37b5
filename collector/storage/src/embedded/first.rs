//! The lowest ids that the dictionaries assign.

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};

use super::{Embedded, Error};
use crate::FirstIds;

/// The first ids, by the name of the dictionary's table.
pub(super) const FIRST: TableDefinition<'static, &str, i32> = TableDefinition::new("first");

pub(super) fn read(store: &Embedded) -> Result<FirstIds, Error> {
    recorded(store).map_err(|error| store.engine(error))
}

fn recorded(store: &Embedded) -> Result<FirstIds, redb::Error> {
    let transaction = store.database()?.begin_read()?;
    let table = match transaction.open_table(FIRST) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(FirstIds::default()),
        Err(error) => return Err(error.into()),
    };
    let get = |name| {
        table
            .get(name)
            .map(|first| first.map(|first| first.value()))
    };
    Ok(FirstIds {
        applications: get("application")?,
        instances: get("instance")?,
        operations: get("operation")?,
        addresses: get("address")?,
    })
}

/// Raises the first ids to those that `ids` sets. Never lowers an id.
pub(super) fn raise(store: &Embedded, ids: &FirstIds) -> Result<(), Error> {
    write(store, ids).map_err(|error| store.engine(error))
}

fn write(store: &Embedded, ids: &FirstIds) -> Result<(), redb::Error> {
    let mut transaction = store.database()?.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        let mut table = transaction.open_table(FIRST)?;
        for (name, first) in [
            ("application", ids.applications),
            ("instance", ids.instances),
            ("operation", ids.operations),
            ("address", ids.addresses),
        ] {
            let known = table.get(name)?.map(|known| known.value());
            if let Some(first) = first.filter(|first| known.is_none_or(|known| known < *first)) {
                table.insert(name, first)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
