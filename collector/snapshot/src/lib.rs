//! One state of a redb file, which stays readable while the file changes, and its copy in a new file.
//!
//! [`Snapshot::write`] copies rows, not pages, so the copy has no free pages. It works in steps of a few MiB. Each step ends with
//! a sync, so the disk never gets a large amount at once, and the caller may end the copy between two steps. The caller that makes a
//! snapshot names all tables of the file: a file with another table is not copied, because the copy would lack it.
//!
//! A snapshot keeps the pages of its state in the file, so the file grows by what is written meanwhile. The space is used again
//! after the snapshot was dropped.

#![warn(missing_docs)]

mod copy;
mod table;

use std::{
    any::Any, fmt, fs::File, fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _, path::Path,
};

use redb::{ReadTransaction, TableHandle as _};

use copy::Copy;
pub use table::{Check, Copied, checked, table};

/// One state of a redb file.
pub struct Snapshot {
    transaction: ReadTransaction,
    tables: Vec<Box<dyn Copied>>,
    /// Dropped after the transaction.
    kept: Option<Box<dyn Any + Send>>,
}

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of the snapshot could not be read, or was closed meanwhile.
    #[error("the store cannot be read any more: {0}")]
    Read(#[source] Box<redb::Error>),
    /// A row of the snapshot is damaged.
    #[error("the store is damaged: table {table}: {what}")]
    Damaged {
        /// The table of the row.
        table: String,
        /// The row, and the problem.
        what: String,
    },
    /// A later release has added a table.
    #[error("the store has the table {0}, which this release does not know and would leave out")]
    UnknownTable(String),
    /// The copy could not be written.
    #[error("the copy cannot be written: {0}")]
    Write(#[source] Box<redb::Error>),
    /// The caller ended the copy.
    #[error("the copy was ended")]
    Ended,
}

impl Error {
    fn read(error: impl Into<redb::Error>) -> Self {
        Self::Read(Box::new(error.into()))
    }

    fn write(error: impl Into<redb::Error>) -> Self {
        Self::Write(Box::new(error.into()))
    }

    fn io(error: io::Error) -> Self {
        Self::write(redb::Error::Io(error))
    }
}

impl Snapshot {
    /// The state that `transaction` reads. `tables` are all tables that the file may have.
    #[must_use]
    pub fn new(transaction: ReadTransaction, tables: Vec<Box<dyn Copied>>) -> Self {
        Self {
            transaction,
            tables,
            kept: None,
        }
    }

    /// This snapshot, which drops `kept` after its last read.
    #[must_use]
    pub fn keeping(self, kept: impl Any + Send) -> Self {
        Self {
            kept: Some(Box::new(kept)),
            ..self
        }
    }

    /// Copies the state to a new file at `path`, and syncs the file. `goes_on` is asked before each step.
    ///
    /// # Errors
    /// There is such a file, the copy cannot be written, the snapshot cannot be read, or the caller ended the copy. The file may
    /// then be there, and is not usable.
    pub fn write(&self, path: &Path, goes_on: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        for found in self.transaction.list_tables().map_err(Error::read)? {
            let name = found.name();
            if !self.tables.iter().any(|table| table.name() == name) {
                return Err(Error::UnknownTable(name.to_owned()));
            }
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(path).map_err(Error::io)?;
        let mut copy = Copy::new(file, goes_on)?;
        for table in &self.tables {
            table.copy(&self.transaction, &mut copy)?;
        }
        copy.end()?;
        let file = File::open(path).map_err(Error::io)?;
        file.sync_all().map_err(Error::io)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("is_kept", &self.kept.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
