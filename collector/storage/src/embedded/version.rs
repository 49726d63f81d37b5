//! The versions that a store records.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, TableDefinition, WriteTransaction};

use super::{Error, Purpose, failure};
use crate::version::{self, Admission, Versions};

pub(super) const META: TableDefinition<'static, &str, u32> = TableDefinition::new("meta");
const FORMAT: &str = "format";
const READER: &str = "reader";
const LOST: &str = "lost";

/// Checks that this build may use the store at `path`. Upgrades a store of an older format, unless it is opened only to be read.
///
/// # Errors
/// [`Error::UnsupportedVersion`]; the versions are missing, or cannot be read or written.
pub(super) fn check(database: &Database, path: &Path, purpose: Purpose) -> Result<(), Error> {
    let engine = |error| failure::engine(path, error);
    let Some(found) = recorded(database).map_err(engine)? else {
        return Err(failure::corrupt(path, "no format version".into()));
    };
    match found.admit() {
        Admission::Current => Ok(()),
        Admission::Raise(_) if purpose == Purpose::Read => Ok(()),
        Admission::Raise(versions) => {
            raise(database, versions).map_err(engine)?;
            let (from, to) = (found.format, versions.format);
            tracing::info!(from, to, "store upgraded to this release's format");
            Ok(())
        }
        Admission::Refuse { needed } => Err(Error::UnsupportedVersion {
            path: path.to_path_buf(),
            found: needed,
            supported: version::VERSION,
        }),
    }
}

/// Records versions.
pub(super) fn record(
    transaction: &WriteTransaction,
    versions: Versions,
) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    meta.insert(FORMAT, versions.format)?;
    meta.insert(READER, versions.reader)?;
    Ok(())
}

fn recorded(database: &Database) -> Result<Option<Versions>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let [format, reader] =
        [FORMAT, READER].map(|key| meta.get(key).map(|found| found.map(|found| found.value())));
    let reader = reader?;
    // Version 0 was never written.
    let format = format?.filter(|format| *format > 0);
    Ok(format.map(|format| Versions::found(format, reader)))
}

fn raise(database: &Database, versions: Versions) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    record(&transaction, versions)?;
    transaction.commit()?;
    Ok(())
}

/// Records that the store replaces one that was lost.
pub(super) fn record_loss(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert(LOST, 1)?;
    Ok(())
}

/// Removes that record.
pub(super) fn forget_loss(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(META)?.remove(LOST)?;
    Ok(())
}

/// Whether the store replaces one that was lost.
pub(super) fn replaces_lost(database: &Database) -> Result<bool, redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(meta.get(LOST)?.is_some_and(|lost| lost.value() == 1))
}
