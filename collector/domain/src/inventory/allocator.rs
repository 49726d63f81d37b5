//! The only writer of an inventory: assigns and adopts ids.

use std::sync::Arc;

use super::{
    Address, Application, Dictionary, Instance, Inventory, Operation, Proposal, Row,
    overlay::Progress,
    restore::{self, Kind, PreparedRow},
};
use crate::Timestamp;

/// Limits on what clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most ids that each dictionary assigns. Entries are never removed, so without a limit one client could fill the store
    /// with invented names.
    pub assigned: usize,
    /// The most adopted ids in each dictionary. They take memory and have no key, so without a limit one client could fill the
    /// collector with invented numbers.
    pub adopted: usize,
    /// The most bytes of memory that the inventory may take ([`Inventory::bytes`]) when it accepts a new row or larger properties.
    pub bytes: usize,
}

/// Assigns and adopts ids. It is the only owner of the right to change an [`Inventory`], so it is neither shared nor copied.
///
/// A new allocator is empty. Stored rows go through [`Allocator::restore`] before the first proposal.
#[derive(Debug)]
pub struct Allocator {
    inventory: Arc<Inventory>,
    state: AllocationState,
    limits: Limits,
}

/// The progress of each dictionary.
#[derive(Debug)]
pub(super) struct AllocationState {
    pub(super) applications: Progress,
    pub(super) instances: Progress,
    pub(super) operations: Progress,
    pub(super) addresses: Progress,
}

impl Allocator {
    /// An allocator with an empty inventory.
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
        }
    }

    /// Reserves the ids of a dictionary's sequence below `first`, on both sides of 0, for an earlier inventory: they are never
    /// assigned here.
    pub fn reserve_below(&mut self, dictionary: Dictionary, first: i32) {
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
    }

    /// Whether an id for agents was assigned, or reserved for an earlier inventory ([`Allocator::reserve_below`]). Adopted and
    /// internal ids do not count.
    #[must_use]
    pub fn has_assigned(&self) -> bool {
        let AllocationState {
            applications,
            instances,
            operations,
            addresses,
        } = &self.state;
        applications.has_begun::<Application>()
            || instances.has_begun::<Instance>()
            || operations.has_begun::<Operation>()
            || addresses.has_begun::<Address>()
    }

    /// The inventory, for readers.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory)
    }

    /// The limits of this allocator.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Reserves capacity for entries that are about to be restored. This only saves time: nearly half of the time of a restore with
    /// a million entries.
    pub fn reserve(&mut self, dictionary: Dictionary, entries: usize) {
        match dictionary {
            Dictionary::Applications => self.inventory.applications.reserve(entries),
            Dictionary::Instances => self.inventory.instances.reserve(entries),
            Dictionary::Operations => self.inventory.operations.reserve(entries),
            Dictionary::Addresses => self.inventory.addresses.reserve(entries),
        }
    }

    /// Inserts a durable row: a stored one, or one that another collector committed to the shared store. A later state of an id
    /// replaces an earlier one. Otherwise the order does not matter before the inventory has readers; afterwards, the rows that a
    /// row refers to must come before it. [`Limits`] do not apply.
    ///
    /// # Errors
    /// The row contradicts a restored one and is skipped. This code cannot have written such a store.
    pub fn restore(&mut self, row: Row) -> Result<(), restore::Error> {
        let prepared = self.inventory.prepare(&row);
        self.insert(prepared)
    }

    /// Inserts a prepared row, as [`Allocator::restore`].
    ///
    /// # Errors
    /// As [`Allocator::restore`].
    pub fn insert(&mut self, row: PreparedRow) -> Result<(), restore::Error> {
        let (inventory, state) = (&self.inventory, &mut self.state);
        match row.0 {
            Kind::Application(row) => {
                let listed = row.kept.clone();
                let table = &inventory.applications;
                restore::insert(row, table, &mut state.applications)?;
                inventory.listing.update().application(&listed);
                inventory.learn(listed.alias_of.map(|of| (of, listed.id)));
            }
            Kind::Instance(row) => {
                let (id, application) = (row.id, row.kept.application);
                let table = &inventory.instances;
                let before = restore::insert(row, table, &mut state.instances)?;
                let before = before.map(|before| before.application);
                let mut listing = inventory.listing.update();
                inventory.list(&mut listing, before, id, application);
            }
            Kind::Operation(row) => {
                let table = &inventory.operations;
                restore::insert(row, table, &mut state.operations)?;
            }
            Kind::Address(row) => {
                let table = &inventory.addresses;
                restore::insert(row, table, &mut state.addresses)?;
            }
        }
        Ok(())
    }

    /// Begins a batch. New entries get `at` as their registration time.
    #[must_use]
    pub fn propose(&mut self, at: Timestamp) -> Proposal<'_> {
        Proposal::new(&self.inventory, &mut self.state, self.limits, at)
    }
}
