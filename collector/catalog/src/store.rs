//! The catalog's durable storage.
//!
//! A store has rows: a table, a key, a value. [`Store::commit`] is durable when it returns; a batch is applied completely or
//! not at all. The catalog commits before it acknowledges, so a failing store loses no acknowledged change.

mod embedded;
mod journal;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;

pub use embedded::Embedded;
pub use memory::Memory;

/// The table of a row. The name is part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Namespace,
    /// A service that was created explicitly, and its settings.
    Service,
    /// A persistent instance.
    Instance,
    /// The override of an operator on an instance.
    Override,
    /// The switches, in one row.
    Switch,
    /// Secrets and other values of the faces, by a name that the face chooses.
    Face,
    /// Soft state: the last known ephemeral instances of a service. Unreadable rows are dropped.
    Roster,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub table: Table,
    pub key: String,
    pub value: Vec<u8>,
}

/// A change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Row),
    Remove { table: Table, key: String },
}

/// The reason why a store fails.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, read or written.
    #[error("{0}")]
    Io(String),
    /// Its contents are damaged, or were written by a later release.
    #[error("{0}")]
    Unreadable(String),
}

/// Durable rows. Calls may block.
pub trait Store: fmt::Debug + Send + Sync {
    /// All rows, in no order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&self) -> Result<Vec<Row>, Error>;

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// The store cannot be written; nothing was changed.
    fn commit(&self, changes: &[Change]) -> Result<(), Error>;

    /// Appends whole lines to the journal, all or none. When this returns they survive the end of the process, but not of the
    /// machine: nothing is synced.
    ///
    /// # Errors
    /// The journal cannot be written; nothing was appended.
    fn append(&self, lines: &[u8]) -> Result<(), Error>;

    /// The lines of the journal. An incomplete last line is removed: its call did not return.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn journal(&self) -> Result<Vec<u8>, Error>;

    /// Removes the first bytes of the journal.
    ///
    /// # Errors
    /// The journal cannot be written; it is unchanged.
    fn trim(&self, bytes: usize) -> Result<(), Error>;
}

/// The length of the whole lines of a journal, in bytes.
fn whole_lines(journal: &[u8]) -> usize {
    let end = journal.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 7] = [
        Self::Namespace,
        Self::Service,
        Self::Instance,
        Self::Override,
        Self::Switch,
        Self::Face,
        Self::Roster,
    ];

    /// Its name in a store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Service => "service",
            Self::Instance => "instance",
            Self::Override => "override",
            Self::Switch => "switch",
            Self::Face => "face",
            Self::Roster => "roster",
        }
    }
}

impl Change {
    /// The table that it changes.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Self::Put(row) => row.table,
            Self::Remove { table, .. } => *table,
        }
    }
}
