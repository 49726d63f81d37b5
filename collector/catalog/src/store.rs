//! Where the catalog keeps what must survive a restart.
//!
//! A store holds rows: a table, a key, a value. [`Store::commit`] is durable when it returns; a batch is applied as a whole or not
//! at all. The catalog commits before it acknowledges, so a store that fails loses nothing that was acknowledged.

mod embedded;
mod journal;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;

pub use embedded::Embedded;
pub use memory::Memory;

/// What a row is about. The name is part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Namespace,
    /// A service that was created as such, and its settings.
    Service,
    /// A persistent instance.
    Instance,
    /// What an operator set on an instance.
    Override,
    /// The switches, in one row.
    Switch,
    /// Secrets and other values of the faces, by a name that the face chooses.
    Face,
    /// Soft state: the ephemeral instances of a service as they were last seen. Unreadable rows are dropped.
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

/// Why a store fails.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, read or written.
    #[error("{0}")]
    Io(String),
    /// What it holds is damaged, or was written by a later release.
    #[error("{0}")]
    Unreadable(String),
}

/// Rows that survive. Calls may block.
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

    /// Appends whole lines to the journal, all or none. They survive the end of the process when this returns, and that of the
    /// machine only if it lets them: nothing is synced.
    ///
    /// # Errors
    /// The journal cannot be written; nothing was appended.
    fn append(&self, lines: &[u8]) -> Result<(), Error>;

    /// The lines of the journal. A last one that is not whole is removed: its call did not return.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn journal(&self) -> Result<Vec<u8>, Error>;

    /// Removes the first bytes of the journal.
    ///
    /// # Errors
    /// The journal cannot be written; it is as it was.
    fn trim(&self, bytes: usize) -> Result<(), Error>;
}

/// How many bytes the whole lines of a journal have.
fn whole_lines(journal: &[u8]) -> usize {
    let end = journal.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

impl Table {
    /// All of them.
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
