//! Durable rows by table and key. The store does not interpret the rows.
//!
//! [`Store`] makes a batch of changes durable as a whole before it returns. The user names its tables ([`Table`]) and encodes
//! its rows; the store keeps bytes. Providers: [`embedded`], a file on the local disk; [`etcd`], shared by several processes;
//! [`memory`], which ends with the process.
//!
//! The user of a shared store applies the changes of other processes: it waits for [`Store::changed`] and reads the changes with
//! [`Store::catch_up`]. It also calls [`Store::catch_up`] after each failed commit.
//!
//! [`exchange`] is for what processes publish for each other and need not keep.
//!
//! [`journal`] keeps lines that need not survive a crash of the machine, beside a store.
//!
//! Left out: queries and caches. The user reads all rows once, at its start, and keeps the ones that it needs in memory.

#![warn(missing_docs)]

pub mod embedded;
pub mod etcd;
pub mod exchange;
pub mod journal;
pub mod memory;
#[cfg(test)]
mod tests;

use std::{fmt, future::pending};

use futures_util::future::BoxFuture;
pub use rollcall_snapshot::Snapshot;

/// The tables of a user: an enumeration.
pub trait Table: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// The version of the format of the rows. A store that records a later one is refused.
    const FORMAT: u32;
    /// All tables.
    const ALL: &'static [Self];

    /// The name of the table in a store, which is part of the stored format. It has no slash.
    fn name(self) -> &'static str;
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The table that holds the row.
    pub table: T,
    /// The key, unique within the table.
    pub key: String,
    /// The value, encoded by the user.
    pub value: Vec<u8>,
}

/// A change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// The row has this value from now on.
    Put(Row<T>),
    /// The row no longer exists. Removing a missing row changes nothing.
    Remove {
        /// The table that held the row.
        table: T,
        /// The key of the row.
        key: String,
    },
}

/// Why a store fails. Each text names the file or the key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened, read or written.
    #[error("{0}")]
    Io(String),
    /// The engine of an [`exchange`] has no space left: it removes entries and writes none.
    #[error("{0}")]
    NoSpace(String),
    /// The file was removed, renamed or replaced, so the next start would not find data that is written to it.
    #[error("{0}")]
    Moved(String),
    /// The contents are damaged, or a later release wrote them.
    #[error("{0}")]
    Unreadable(String),
    /// Another process changed one of the rows first. Catch up, and decide again. If the commit takes several transactions, the
    /// first ones may have been written.
    #[error("another collector changed the same row at the same time: try again")]
    Conflict,
}

/// Durable rows. Calls may block.
pub trait Store<T: Table>: fmt::Debug + Send + Sync {
    /// Reads all rows, in no particular order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&self) -> Result<Vec<Row<T>>, Error>;

    /// Reads the value of one row.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, table: T, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Makes changes durable, all or none. A shared store may write a large commit in several parts. If two changes concern the
    /// same row, the later one is applied.
    ///
    /// # Errors
    /// The store cannot be written, and nothing was changed. After a failure of a shared store, some changes may have been written;
    /// the next [`Store::catch_up`] returns them.
    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error>;

    /// Whether other processes write to the store.
    fn is_shared(&self) -> bool {
        false
    }

    /// The last change of each row that other processes changed since [`Store::load`] or the last call.
    ///
    /// # Errors
    /// The store cannot be read. The next call returns the same changes.
    fn catch_up(&self) -> Result<Vec<Change<T>>, Error> {
        Ok(Vec::new())
    }

    /// The last committed state, for a backup. It stays readable while changes are committed, and ends with the store. `None` if the
    /// store has no backups of its own.
    ///
    /// # Errors
    /// The store cannot be read.
    fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        Ok(None)
    }

    /// Completes when another process may have changed rows since the last [`Store::catch_up`]; never for a store that is not
    /// shared. It may be dropped and called again.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(pending())
    }
}

impl<T: Table> Change<T> {
    /// The table that the change is in.
    #[must_use]
    pub const fn table(&self) -> T {
        match self {
            Self::Put(row) => row.table,
            Self::Remove { table, .. } => *table,
        }
    }

    /// The key of the changed row.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(row) => &row.key,
            Self::Remove { key, .. } => key,
        }
    }
}
