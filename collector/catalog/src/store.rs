//! The tables of the catalog, and the stores that hold them.
//!
//! The catalog commits a change before it acknowledges it, so a failing store loses no acknowledged change. The roster, and its
//! journal, are soft state of this process: they may be in a store of their own.

use std::sync::Arc;

use rollcall_keyed as keyed;

pub use rollcall_keyed::{
    Error, Snapshot, Store,
    exchange::{Change as EntryChange, Entry as PublishedEntry, Exchange, News},
    journal::{Completeness, Journal},
    memory::Board,
};

/// The kinds of rows. The names are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// A namespace that an operator created.
    Namespace,
    /// A service that an operator or a client created as such, and its settings.
    Service,
    /// A persistent instance.
    Instance,
    /// The settings of an operator on an instance.
    Override,
    /// The switches, in one row.
    Switch,
    /// Secrets and other values of the faces, by a name that the face chooses.
    Face,
    /// Soft state: the ephemeral instances of a service as they were last known. Unreadable rows are dropped.
    Roster,
}

/// A row of the catalog.
pub type Row = keyed::Row<Table>;
/// A change of a row of the catalog.
pub type Change = keyed::Change<Table>;
/// Rows of the catalog in memory, for tests.
pub type Memory = keyed::memory::Memory<Table>;

impl keyed::Table for Table {
    const FORMAT: u32 = 1;
    const ALL: &'static [Self] = &[
        Self::Namespace,
        Self::Service,
        Self::Instance,
        Self::Override,
        Self::Switch,
        Self::Face,
        Self::Roster,
    ];

    fn name(self) -> &'static str {
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

/// The stores of the catalog. Clones share them.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Rows that are durable before a change is acknowledged.
    pub durable: Arc<dyn Store<Table>>,
    /// The table [`Table::Roster`]; `None` if `durable` holds it too.
    pub roster: Option<Arc<dyn Store<Table>>>,
    /// The changes of ephemeral instances since the roster was last written.
    pub journal: Arc<dyn Journal>,
    /// Whether an earlier run had rows that `durable` no longer has, because its file was removed.
    pub is_lost: bool,
    /// The other collectors of the cluster; `None`: this one is alone.
    pub peers: Option<Peers>,
}

/// How this collector exchanges ephemeral instances with the others.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The name of this collector in the cluster.
    pub own: Arc<str>,
    /// What the collectors publish for each other.
    pub exchange: Arc<dyn Exchange>,
}

impl Stores {
    /// Reads all rows.
    pub(crate) fn load(&self) -> Result<Vec<Row>, Error> {
        let mut rows = self.durable.load()?;
        if let Some(roster) = &self.roster {
            rows.extend(roster.load()?);
        }
        Ok(rows)
    }

    /// The store of the roster.
    pub(crate) fn roster(&self) -> &Arc<dyn Store<Table>> {
        self.roster.as_ref().unwrap_or(&self.durable)
    }
}

impl From<Memory> for Stores {
    fn from(memory: Memory) -> Self {
        Self {
            durable: Arc::new(memory.clone()),
            roster: None,
            journal: Arc::new(memory),
            is_lost: false,
            peers: None,
        }
    }
}
