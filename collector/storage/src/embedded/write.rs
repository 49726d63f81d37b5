//! Writes a batch as one commit.

use redb::{Database, WriteTransaction};
use rollcall_domain::inventory::{Address, Application, Instance, Operation, Row};

use super::{ADDRESSES, APPLICATIONS, INSTANCES, OPERATIONS, SEEN, Table, version};
use crate::{
    Batch,
    codec::{self, Entry},
};

/// Commits a batch, synced. `forgets_loss`: it also removes the record that the store replaces a lost one.
pub(super) fn write(
    database: &Database,
    batch: Batch<'_>,
    forgets_loss: bool,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    // A one-phase commit saves a sync. But after a crash it cannot distinguish an unfinished last commit from a damaged one
    // and drops either. With two phases, damage to acknowledged data is always reported.
    transaction.set_two_phase_commit(true);
    if forgets_loss {
        version::forget_loss(&transaction)?;
    }
    let rows = || batch.rows.iter();
    write_table(&transaction, APPLICATIONS, rows().filter_map(application))?;
    write_table(&transaction, INSTANCES, rows().filter_map(instance))?;
    write_table(&transaction, OPERATIONS, rows().filter_map(operation))?;
    write_table(&transaction, ADDRESSES, rows().filter_map(address))?;
    write_table(&transaction, SEEN, batch.seen.iter())?;
    transaction.commit()?;
    Ok(())
}

/// Writes entries to a table. Does not open it if there are none: opening costs pages in the commit.
fn write_table<'a, E: Entry + 'a>(
    transaction: &WriteTransaction,
    table: Table,
    entries: impl Iterator<Item = &'a E>,
) -> Result<(), redb::Error> {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let mut table = transaction.open_table(table)?;
    let mut value = Vec::new();
    for entry in entries {
        codec::encode(entry, &mut value);
        table.insert(entry.id(), value.as_slice())?;
    }
    Ok(())
}

const fn application(row: &Row) -> Option<&Application> {
    if let Row::Application(row) = row {
        Some(row)
    } else {
        None
    }
}

const fn instance(row: &Row) -> Option<&Instance> {
    if let Row::Instance(row) = row {
        Some(row)
    } else {
        None
    }
}

const fn operation(row: &Row) -> Option<&Operation> {
    if let Row::Operation(row) = row {
        Some(row)
    } else {
        None
    }
}

const fn address(row: &Row) -> Option<&Address> {
    if let Row::Address(row) = row {
        Some(row)
    } else {
        None
    }
}
