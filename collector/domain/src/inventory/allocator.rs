//! The one place that gives out ids.

use std::sync::Arc;

use super::{
    Address, Application, Dictionary, Instance, Inventory, Operation, Proposal, Row,
    overlay::Progress, restore, table::Readers,
};
use crate::Timestamp;

/// What clients may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many ids each dictionary assigns. Entries are never removed, so without a limit one client could fill the store
    /// with names it makes up.
    pub assigned: usize,
    /// How many ids each dictionary may hold that it did not assign. They cost memory and no key protects them, so
    /// without a limit one client could fill the collector with numbers it makes up.
    pub adopted: usize,
    /// How many bytes of memory the inventory may take ([`Inventory::bytes`]) for a new row to be accepted, or for
    /// properties to grow.
    pub bytes: usize,
}

/// Assigns and adopts ids: the only owner of the right to change an [`Inventory`], and therefore neither shared nor
/// copied.
///
/// A new one is empty. What was stored is given to [`Allocator::restore`] before the first proposal.
#[derive(Debug)]
pub struct Allocator {
    inventory: Arc<Inventory>,
    state: AllocationState,
    limits: Limits,
    draws_later: bool,
}

/// How far each dictionary has come.
#[derive(Debug)]
pub(super) struct AllocationState {
    pub(super) applications: Progress,
    pub(super) instances: Progress,
    pub(super) operations: Progress,
    pub(super) addresses: Progress,
}

impl Allocator {
    /// An empty inventory.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            inventory: Arc::new(Inventory::new()),
            state: AllocationState {
                applications: Progress::start::<Application>(),
                instances: Progress::start::<Instance>(),
                operations: Progress::start::<Operation>(),
                addresses: Progress::start::<Address>(),
            },
            limits,
            draws_later: false,
        }
    }

    /// Draws no id of a dictionary's sequence below `first`, on either side of 0: those belong to an earlier inventory.
    pub fn draw_from(&mut self, dictionary: Dictionary, first: i32) {
        let last = first.saturating_sub(1);
        if last < 1 {
            return;
        }
        let state = &mut self.state;
        match dictionary {
            Dictionary::Applications => state.applications.pass(last),
            Dictionary::Instances => state.instances.pass(last),
            Dictionary::Operations => state.operations.pass(last),
            Dictionary::Addresses => state.addresses.pass(last),
        }
        self.draws_later = true;
    }

    /// Whether a dictionary leaves ids to an earlier inventory ([`Allocator::draw_from`]).
    #[must_use]
    pub const fn draws_later(&self) -> bool {
        self.draws_later
    }

    /// What everybody else reads.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory)
    }

    /// The limits it was made with.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Makes room for entries that are about to be restored. It only saves time, but with a million of them that is
    /// nearly half of it.
    pub fn reserve(&mut self, dictionary: Dictionary, entries: usize) {
        match dictionary {
            Dictionary::Applications => self.inventory.applications.reserve(entries),
            Dictionary::Instances => self.inventory.instances.reserve(entries),
            Dictionary::Operations => self.inventory.operations.reserve(entries),
            Dictionary::Addresses => self.inventory.addresses.reserve(entries),
        }
    }

    /// Takes in a stored row before anybody reads the inventory. The order does not matter, except that a later state of
    /// the same id replaces an earlier one. [`Limits`] do not hold here: what is durable is known.
    ///
    /// # Errors
    /// The row contradicts one that was restored before, and is left out: the store is not what this code wrote.
    pub fn restore(&mut self, row: Row) -> Result<(), restore::Error> {
        self.take(row, Readers::Absent)
    }

    /// Takes in a row that another collector has made durable in the store that both share: as
    /// [`Allocator::restore`], while the inventory is read. What it refers to has to come before it.
    ///
    /// # Errors
    /// As [`Allocator::restore`].
    pub fn follow(&mut self, row: Row) -> Result<(), restore::Error> {
        self.take(row, Readers::Present)
    }

    fn take(&mut self, row: Row, readers: Readers) -> Result<(), restore::Error> {
        let (inventory, state) = (&self.inventory, &mut self.state);
        match row {
            Row::Application(row) => {
                let listed = row.clone();
                let table = &inventory.applications;
                restore::take(row, table, readers, &mut state.applications)?;
                inventory.listing.update().application(&listed);
                inventory.learn(listed.alias_of.map(|of| (of, listed.id)));
            }
            Row::Instance(row) => {
                let (id, application) = (row.id, row.application);
                let table = &inventory.instances;
                let before = restore::take(row, table, readers, &mut state.instances)?;
                let before = before.map(|before| before.application);
                let mut listing = inventory.listing.update();
                inventory.list(&mut listing, before, id, application);
            }
            Row::Operation(row) => {
                let table = &inventory.operations;
                restore::take(row, table, readers, &mut state.operations)?;
            }
            Row::Address(row) => {
                let table = &inventory.addresses;
                restore::take(row, table, readers, &mut state.addresses)?;
            }
        }
        Ok(())
    }

    /// Begins a batch. `at` is the time that its new entries are registered at.
    #[must_use]
    pub fn propose(&mut self, at: Timestamp) -> Proposal<'_> {
        Proposal::new(&self.inventory, &mut self.state, self.limits, at)
    }
}
