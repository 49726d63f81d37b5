//! Four dictionaries that give names stable numeric ids: applications, instances, operations, addresses.
//!
//! [`Inventory`] is what everybody reads: shared, without locks on the way from a key to an id or from an id to its
//! entry. Only the one [`Allocator`] changes it, in three steps: it makes a [`Proposal`], somebody commits the
//! proposal's [`Row`]s to a storage, and then the proposal is confirmed, which makes it visible. So no reader hears of
//! an id that is not durable, and a proposal that is dropped has changed nothing.
//!
//! What holds (ARCHITECTURE.md, invariants 2 to 4):
//! * A key has one id and an id one key, for ever. Ids are never taken back.
//! * A key whose id was found can be looked up by that id.
//! * An id that an agent brought along (adopted) is never assigned to anybody else.

mod allocator;
mod cost;
mod description;
mod digest;
mod entry;
mod listing;
mod model;
mod overlay;
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
pub use listing::Place;
pub use model::{
    Address, Application, Generation, Instance, InstanceKey, Operation, OperationKey, Row, SpanType,
};
pub use properties::Properties;
pub use proposal::{NewInstance, Proposal};

use listing::Listing;
use model::{InstanceKeyRef, OperationKeyRef};
use table::Table;

use entry::Entry as _;

use crate::{AddressId, ApplicationId, InstanceId, OperationId, id::IdMap};

/// What is registered, as everybody may read it, from any thread.
///
/// A look-up takes no lock and, given a borrowed key, allocates nothing. Listings take a lock for as long as it takes
/// to collect the ids of one page.
pub struct Inventory {
    applications: Table<Application>,
    instances: Table<Instance>,
    operations: Table<Operation>,
    addresses: Table<Address>,
    /// The ids that agents up to 7.0 are told of applications with internal ids.
    announced: IdMap<ApplicationId, ApplicationId>,
    listing: Listing,
}

/// How many entries a dictionary has. The reserved entry is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// With a key, so that it can be looked up.
    pub keyed: usize,
    /// Whose id was adopted, with no key ([`Limits::adopted`] bounds it).
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

    /// The id that agents up to 7.0 are told of the application with this code.
    #[must_use]
    pub fn announced_application_id(&self, code: &str) -> Option<ApplicationId> {
        let id = self.applications.id(code)?;
        if id.is_internal() {
            return self.announced(id);
        }
        Some(id)
    }

    /// The id that agents up to 7.0 are told of the application with this internal id.
    fn announced(&self, internal: ApplicationId) -> Option<ApplicationId> {
        self.announced.pin().get(&internal).copied()
    }

    /// The id that an application is shown under: the one that agents are told, if there is one.
    #[must_use]
    pub fn shown(&self, id: ApplicationId) -> ApplicationId {
        if id.is_internal() {
            return self.announced(id).unwrap_or(id);
        }
        id
    }

    /// The id of the row that this id of an application leads to.
    #[must_use]
    pub fn canonical(&self, id: ApplicationId) -> ApplicationId {
        let alias_of = self.applications.read(id, |row| row.alias_of);
        alias_of.flatten().unwrap_or(id)
    }

    /// The id that agents up to 7.0 are told of the instance that its application and its agent's UUID name.
    #[must_use]
    pub fn instance_id(&self, application: ApplicationId, uuid: &str) -> Option<InstanceId> {
        let is_internal = false;
        let by = |application| {
            self.instances.id(&InstanceKeyRef {
                application,
                uuid,
                is_internal,
            })
        };
        by(application).or_else(|| by(self.other(application)?))
    }

    /// The id of the instance that an agent of 8.0 or later names, which is told no id. One that registered with an earlier
    /// release of Rollcall may have an id that agents up to 7.0 are told.
    #[must_use]
    pub fn named_instance_id(&self, application: ApplicationId, name: &str) -> Option<InstanceId> {
        let by = |is_internal| {
            self.instances.id(&InstanceKeyRef {
                application,
                uuid: name,
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
            self.operations.id(&OperationKeyRef {
                application,
                span_type,
                name,
            })
        };
        by(application).or_else(|| by(self.other(application)?))
    }

    /// The application that this one is an alias of.
    fn other(&self, application: ApplicationId) -> Option<ApplicationId> {
        self.applications.read(application, |row| row.alias_of)?
    }

    /// Whether the agent of an instance knows this id: `false` where it is of 8.0 or later, so that a call with the id
    /// comes from another process. `true` for an instance that is not known.
    #[must_use]
    pub fn is_announced(&self, instance: InstanceId) -> bool {
        if instance.is_internal() {
            return false;
        }
        // Only stores of an earlier release, and agents that were replaced by later ones, have any.
        self.instances.unannounced() == 0
            || self
                .instances
                .read(instance, |instance| !instance.is_unannounced())
                .unwrap_or(true)
    }

    /// The application of an instance, by the id of its row; `None` where it is not known.
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
        self.applications.read(id, Clone::clone)
    }

    /// The instance with this id. Copying it allocates (its properties): see [`Inventory::read_instance`].
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<Instance> {
        self.instances.read(id, Clone::clone)
    }

    /// What `read` makes of the instance with this id, without copying it. `read` is to be quick: what is replaced
    /// meanwhile is freed only afterwards.
    #[must_use]
    pub fn read_instance<R>(&self, id: InstanceId, read: impl FnOnce(&Instance) -> R) -> Option<R> {
        self.instances.read(id, read)
    }

    /// The operation with this id. Copying it allocates nothing.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Option<Operation> {
        self.operations.read(id, Clone::clone)
    }

    /// The address with this id. Copying it allocates nothing.
    #[must_use]
    pub fn address(&self, id: AddressId) -> Option<Address> {
        self.addresses.read(id, Clone::clone)
    }

    /// How many entries a dictionary has at present.
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

    /// A number that says what it holds: inventories with the same rows have the same, however they came by them. Others have
    /// others, as good as certainly.
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

    /// The memory that everything in it takes, in bytes, leases included.
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

    /// Makes rows visible in their order: what a row refers to has to come before it.
    fn publish(&self, rows: impl IntoIterator<Item = Row>) {
        let mut listing = self.listing.update();
        for row in rows {
            match row {
                Row::Application(application) => {
                    listing.application(&application);
                    let alias = application.alias_of.map(|of| (of, application.id));
                    self.applications.put(application);
                    self.learn(alias);
                }
                Row::Instance(instance) => {
                    let before = self
                        .instances
                        .read(instance.id, |before| before.application);
                    self.list(&mut listing, before, instance.id, instance.application);
                    self.instances.put(instance);
                }
                Row::Operation(operation) => self.operations.put(operation),
                Row::Address(address) => self.addresses.put(address),
            }
        }
    }
}

impl Inventory {
    /// Takes note of the id that agents are told of an application.
    fn learn(&self, alias: Option<(ApplicationId, ApplicationId)>) {
        if let Some((internal, announced)) = alias {
            self.announced.pin().insert(internal, announced);
        }
    }

    /// Lists an instance under its application, whichever of its ids the row has.
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
