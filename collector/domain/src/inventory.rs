//! Four dictionaries that give names stable numeric ids: applications, instances, operations, addresses.
//!
//! Any thread can read the [`Inventory`]. Finding the id of a key or the entry of an id takes no lock. Only the one [`Allocator`]
//! changes the inventory, in three steps: the allocator makes a [`Proposal`], the caller commits the [`Row`]s of the proposal to a
//! storage, and the caller confirms the proposal, which makes the rows visible. So no reader sees an id that is not durable, and a
//! dropped proposal has changed nothing.
//!
//! Invariants (ARCHITECTURE.md, 2 to 4):
//! * A key has one id and an id one key, for ever. Ids are never reused.
//! * An id that a look-up by key returned can itself be looked up.
//! * An adopted id, one that an agent already held, is never assigned to another key.

mod allocator;
mod blocks;
mod cost;
mod description;
mod digest;
mod entry;
mod keys;
mod listing;
mod model;
mod overlay;
mod packed;
mod pages;
mod properties;
pub mod proposal;
pub mod restore;
mod sequence;
mod table;

use std::fmt;

pub use allocator::{Allocator, Limits};
pub use description::{Changes, Description};
pub use entry::Dictionary;
pub use listing::ListPosition;
pub use model::{
    Address, Application, Generation, Instance, InstanceKey, InstanceView, Operation, OperationKey,
    Row, SpanType,
};
pub use properties::{Properties, PropertiesBuffer, PropertiesView};
pub use proposal::{NewInstance, Proposal};

use listing::Listing;
use model::{InstanceKeyRef, OperationKeyRef};
use table::Table;

use crate::{AddressId, ApplicationId, InstanceId, OperationId, id::IdMap};

/// The registered entries, for readers on any thread.
///
/// A look-up takes no lock and, with a borrowed key, allocates nothing. A listing holds a lock while it collects the ids of one
/// page.
pub struct Inventory {
    applications: Table<Application>,
    instances: Table<Instance>,
    operations: Table<Operation>,
    addresses: Table<Address>,
    /// The ids by which agents up to 7.0 know applications with internal ids.
    announced: IdMap<ApplicationId, ApplicationId>,
    listing: Listing,
}

/// The number of entries of a dictionary, without the reserved one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Entries with a key, which can be looked up by it.
    pub keyed: usize,
    /// Adopted entries without a key ([`Limits::adopted`] bounds their number).
    pub adopted: usize,
}

impl Inventory {
    fn new() -> Self {
        Self {
            applications: Table::new(),
            instances: Table::new(),
            operations: Table::new(),
            addresses: Table::new(),
            announced: IdMap::default(),
            listing: Listing::default(),
        }
    }

    /// The id of the application with this code, which may be internal.
    #[must_use]
    pub fn application_id(&self, code: &str) -> Option<ApplicationId> {
        self.applications.id(code)
    }

    /// The id by which agents up to 7.0 know the application with this code.
    #[must_use]
    pub fn announced_application_id(&self, code: &str) -> Option<ApplicationId> {
        let id = self.applications.id(code)?;
        if id.is_internal() {
            return self.announced(id);
        }
        Some(id)
    }

    /// The id by which agents up to 7.0 know the application with this internal id.
    fn announced(&self, internal: ApplicationId) -> Option<ApplicationId> {
        self.announced.pin().get(&internal).copied()
    }

    /// The id under which an application is shown: the one that agents know, or else the internal one.
    #[must_use]
    pub fn shown(&self, id: ApplicationId) -> ApplicationId {
        if id.is_internal() {
            return self.announced(id).unwrap_or(id);
        }
        id
    }

    /// The id of the application's row: an alias leads to the id of its application.
    #[must_use]
    pub fn canonical(&self, id: ApplicationId) -> ApplicationId {
        let alias_of = self.applications.read(id, |row| row.alias_of);
        alias_of.flatten().unwrap_or(id)
    }

    /// The id by which agents up to 7.0 know the instance with this application and agent UUID.
    #[must_use]
    pub fn instance_id(&self, application: ApplicationId, uuid: &str) -> Option<InstanceId> {
        let is_internal = false;
        let by = |application| {
            self.instances.id(InstanceKeyRef {
                application,
                uuid: uuid.as_bytes(),
                is_internal,
            })
        };
        by(application).or_else(|| by(self.alias_target(application)?))
    }

    /// The id of the instance with this name, for an agent of 8.0 or later, which uses no ids. An instance that registered with an
    /// earlier release of Rollcall may have an id of the kind that agents up to 7.0 know.
    #[must_use]
    pub fn named_instance_id(&self, application: ApplicationId, name: &str) -> Option<InstanceId> {
        let by = |is_internal| {
            self.instances.id(InstanceKeyRef {
                application,
                uuid: name.as_bytes(),
                is_internal,
            })
        };
        by(true).or_else(|| by(false).filter(|id| !self.is_announced(*id)))
    }

    /// The id of an operation of an application.
    #[must_use]
    pub fn operation_id(
        &self,
        application: ApplicationId,
        span_type: SpanType,
        name: &str,
    ) -> Option<OperationId> {
        let by = |application| {
            self.operations.id(OperationKeyRef {
                application,
                span_type,
                name,
            })
        };
        by(application).or_else(|| by(self.alias_target(application)?))
    }

    /// The application of which this row is an alias; `None` if the row is not an alias.
    fn alias_target(&self, application: ApplicationId) -> Option<ApplicationId> {
        self.applications.read(application, |row| row.alias_of)?
    }

    /// Whether the agent of an instance knows this id; `true` for an unknown instance. `false` if the agent is of 8.0 or later:
    /// such an agent sends no ids, so a call with this id comes from another process.
    #[must_use]
    pub fn is_announced(&self, instance: InstanceId) -> bool {
        if instance.is_internal() {
            return false;
        }
        // Such instances exist only in stores of an earlier release, and for processes whose agent was upgraded to 8.0 or later.
        self.instances.unannounced() == 0
            || self
                .instances
                .read(instance, |known| !known.view(instance).is_unannounced())
                .unwrap_or(true)
    }

    /// The application of an instance, by the id of its row; `None` if it is unknown.
    #[must_use]
    pub fn application_of(&self, instance: InstanceId) -> Option<ApplicationId> {
        let application = self.instances.read(instance, |known| known.application)?;
        application.map(|id| self.canonical(id))
    }

    /// The id of an address.
    #[must_use]
    pub fn address_id(&self, address: &str) -> Option<AddressId> {
        self.addresses.id(address)
    }

    /// The application with this id. Copying it allocates nothing.
    #[must_use]
    pub fn application(&self, id: ApplicationId) -> Option<Application> {
        self.applications.entry(id)
    }

    /// The instance with this id. Copying it allocates: see [`Inventory::read_instance`].
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<Instance> {
        self.instances.entry(id)
    }

    /// Applies `read` to the instance with this id, without copying it. `read` must be quick: entries replaced meanwhile are freed
    /// only after it returns.
    #[must_use]
    pub fn read_instance<R>(
        &self,
        id: InstanceId,
        read: impl FnOnce(&InstanceView<'_>) -> R,
    ) -> Option<R> {
        self.instances.read(id, |kept| read(&kept.view(id)))
    }

    /// The operation with this id. Copying it allocates nothing.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Option<Operation> {
        self.operations.entry(id)
    }

    /// The address with this id. Copying it allocates nothing.
    #[must_use]
    pub fn address(&self, id: AddressId) -> Option<Address> {
        self.addresses.entry(id)
    }

    /// The present number of entries of a dictionary.
    #[must_use]
    pub fn count(&self, dictionary: Dictionary) -> Count {
        let (keyed, adopted) = match dictionary {
            Dictionary::Applications => (self.applications.keyed(), self.applications.adopted()),
            Dictionary::Instances => (self.instances.keyed(), self.instances.adopted()),
            Dictionary::Operations => (self.operations.keyed(), self.operations.adopted()),
            Dictionary::Addresses => (self.addresses.keyed(), self.addresses.adopted()),
        };
        Count { keyed, adopted }
    }

    /// A digest of the contents. Inventories with the same rows have the same digest, in whatever order the rows arrived.
    /// Inventories with different rows have different ones with near certainty.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let digests = [
            self.applications.digest(),
            self.instances.digest(),
            self.operations.digest(),
            self.addresses.digest(),
        ];
        digests.into_iter().fold(0, u64::wrapping_add)
    }

    /// The memory that all entries take, in bytes, leases included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tables = [
            self.applications.bytes(),
            self.instances.bytes(),
            self.operations.bytes(),
            self.addresses.bytes(),
        ];
        tables.into_iter().sum()
    }

    /// Makes rows visible in their order. The rows that a row refers to must come before it.
    fn publish(&self, rows: impl IntoIterator<Item = Row>) {
        let mut listing = self.listing.update();
        for row in rows {
            match row {
                Row::Application(application) => {
                    listing.application(&application);
                    let alias = application.alias_of.map(|of| (of, application.id));
                    self.applications.put(&application);
                    self.learn(alias);
                }
                Row::Instance(instance) => {
                    let before = self
                        .instances
                        .read(instance.id, |before| before.application);
                    self.list(&mut listing, before, instance.id, instance.application);
                    self.instances.put(&instance);
                }
                Row::Operation(operation) => self.operations.put(&operation),
                Row::Address(address) => self.addresses.put(&address),
            }
        }
    }
}

impl Inventory {
    /// Records the id by which agents know an application.
    fn learn(&self, alias: Option<(ApplicationId, ApplicationId)>) {
        if let Some((internal, announced)) = alias {
            self.announced.pin().insert(internal, announced);
        }
    }

    /// Lists an instance under its application, by canonical id.
    fn list(
        &self,
        listing: &mut listing::Update<'_>,
        before: Option<Option<ApplicationId>>,
        id: InstanceId,
        application: Option<ApplicationId>,
    ) {
        let canonical =
            |application: Option<ApplicationId>| application.map(|id| self.canonical(id));
        listing.instance(before.map(canonical), id, canonical(application));
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = f.debug_map();
        for dictionary in Dictionary::ALL {
            counts.entry(&dictionary, &self.count(dictionary));
        }
        counts.finish()
    }
}

#[cfg(test)]
mod tests;
