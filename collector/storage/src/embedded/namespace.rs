//! The namespace that a store belongs to.

use redb::{ReadableDatabase as _, TableDefinition, TableError};

use super::{Embedded, Error, Purpose};

pub(super) const NAMESPACE: TableDefinition<'static, &str, &str> =
    TableDefinition::new("namespace");
/// The only key of the table.
const OWN: &str = "";

/// Checks that the store belongs to `own`. Records `own` if the store has no namespace yet, unless it is opened only to be read.
///
/// # Errors
/// The store belongs to another namespace, or cannot be read or written.
pub(super) fn claim(store: &Embedded, own: &str, purpose: Purpose) -> Result<(), Error> {
    match recorded(store).map_err(|error| store.engine(error))? {
        Some(found) if found == own => Ok(()),
        Some(found) => Err(Error::OtherNamespace {
            store: store.store.display().to_string(),
            found,
            own: own.to_owned(),
        }),
        None if purpose == Purpose::Read => Ok(()),
        None => record(store, own).map_err(|error| store.engine(error)),
    }
}

fn recorded(store: &Embedded) -> Result<Option<String>, redb::Error> {
    let transaction = store.database()?.begin_read()?;
    let table = match transaction.open_table(NAMESPACE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(table.get(OWN)?.map(|found| found.value().to_owned()))
}

fn record(store: &Embedded, own: &str) -> Result<(), redb::Error> {
    let mut transaction = store.database()?.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(NAMESPACE)?.insert(OWN, own)?;
    transaction.commit()?;
    Ok(())
}
