//! Proposed ids, which become durable before any caller receives them.

use std::{collections::HashMap, fmt, sync::Arc};

mod adopt;
pub(super) mod error;
mod register;

pub use error::Error;

use super::{
    Address, Application, Changes, Description, Generation, Instance, Inventory, Limits, Operation,
    OperationKey, Properties, Row,
    allocator::AllocationState,
    cost,
    entry::Entry,
    overlay::{Growth, Overlay},
};
use crate::{AddressId, ApplicationId, InstanceId, OperationId, Timestamp};

/// A batch of registrations. [`Proposal::rows`] must be durable before [`Proposal::confirm`].
///
/// Each registering method returns the id of its key. The id was registered earlier, was proposed earlier in this batch, or is
/// newly assigned. A method that fails adds nothing, except that it may have adopted the application of the call. A dropped
/// proposal changes nothing: its ids are assigned again, perhaps to other keys.
pub struct Proposal<'a> {
    inventory: &'a Inventory,
    state: &'a mut AllocationState,
    limits: Limits,
    at: Timestamp,
    rows: Vec<Row>,
    growth: Growth,
    refused: u64,
    defers: Option<&'a dyn Fn(InstanceId) -> bool>,
    changes: Changes,
    /// The proposed ids by which agents know applications with internal ids.
    announced: HashMap<ApplicationId, ApplicationId>,
    applications: Overlay<'a, Application>,
    instances: Overlay<'a, Instance>,
    operations: Overlay<'a, Operation>,
    addresses: Overlay<'a, Address>,
}

/// The registration of an instance by its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInstance {
    /// The application of the instance.
    pub application: ApplicationId,
    /// The UUID that the agent registered with.
    pub uuid: Arc<str>,
    /// `None` if the call does not carry it; the recorded generation stays.
    pub generation: Option<Generation>,
    /// Empty if the call does not carry them; the recorded properties stay.
    pub properties: Properties,
}

impl<'a> Proposal<'a> {
    pub(super) fn new(
        inventory: &'a Inventory,
        state: &'a mut AllocationState,
        limits: Limits,
        at: Timestamp,
    ) -> Self {
        Self {
            applications: Overlay::new(&inventory.applications, state.applications),
            instances: Overlay::new(&inventory.instances, state.instances),
            operations: Overlay::new(&inventory.operations, state.operations),
            addresses: Overlay::new(&inventory.addresses, state.addresses),
            inventory,
            state,
            limits,
            at,
            rows: Vec::new(),
            growth: Growth::default(),
            refused: 0,
            defers: None,
            changes: Changes::default(),
            announced: HashMap::new(),
        }
    }

    /// The rows that must be durable before the proposal is confirmed; empty if everything was registered already. No id occurs
    /// twice. The rows that a row refers to come before it or are registered.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The digest of the inventory after the proposal is confirmed.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let change = |row: &Row| match row {
            Row::Application(row) => self.applications.change(row),
            Row::Instance(row) => self.instances.change(row),
            Row::Operation(row) => self.operations.change(row),
            Row::Address(row) => self.addresses.change(row),
        };
        let changes = self.rows.iter().map(change);
        changes.fold(self.inventory.digest(), u64::wrapping_add)
    }

    /// The number of new rows and larger properties that were refused because the inventory is full.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Makes the proposed entries visible to the readers of the inventory.
    pub fn confirm(self) {
        *self.state = AllocationState {
            applications: self.applications.progress(),
            instances: self.instances.progress(),
            operations: self.operations.progress(),
            addresses: self.addresses.progress(),
        };
        if !self.rows.is_empty() {
            self.inventory.publish(self.rows);
        }
    }

    /// Refuses a new entry that would exceed the memory limit of the inventory if it needed a new block.
    fn make_room_for<E: Entry>(&mut self, cost: usize) -> Result<(), Error> {
        self.make_room(cost.saturating_add(E::BLOCK))
    }

    /// As [`Proposal::make_room_for`]; the first application also needs room for the reserved one.
    fn make_room_for_application(&mut self, cost: usize) -> Result<(), Error> {
        let is_first = self.applications.reserved().is_some();
        let reserved = if is_first {
            cost::application(None) + Application::BLOCK
        } else {
            0
        };
        self.make_room_for::<Application>(cost.saturating_add(reserved))
    }

    /// As [`Proposal::make_room_for`]; the first operation also needs room for the reserved one.
    fn make_room_for_operation(&mut self, cost: usize) -> Result<(), Error> {
        let is_first = self.operations.reserved().is_some();
        let reserved = if is_first {
            cost::operation(None) + Operation::BLOCK
        } else {
            0
        };
        self.make_room_for::<Operation>(cost.saturating_add(reserved))
    }

    /// Refuses bytes that would exceed the memory limit of the inventory.
    fn make_room(&mut self, bytes: usize) -> Result<(), Error> {
        let size = self.growth.applied_to(self.inventory.bytes());
        let limit = self.limits.bytes;
        if size.saturating_add(bytes) > limit {
            self.refused += 1;
            return Err(Error::NoRoom { limit });
        }
        Ok(())
    }

    fn reserve_application(&mut self) {
        if let Some(id) = self.applications.reserved() {
            self.write_application(id, None);
        }
    }

    fn reserve_operation(&mut self) {
        if let Some(id) = self.operations.reserved() {
            self.write_operation(id, None);
        }
    }

    fn write_application(&mut self, id: ApplicationId, code: Option<Arc<str>>) {
        let registered_at = self.at;
        let application = Application {
            id,
            code,
            registered_at,
            alias_of: None,
        };
        self.applications
            .write(application, &mut self.rows, &mut self.growth);
    }

    /// The id of the application's row: an alias leads to the id of its application.
    fn canonical(&self, id: ApplicationId) -> ApplicationId {
        let proposed = self.applications.place(id);
        match proposed.and_then(|place| self.rows.get(place)) {
            Some(Row::Application(row)) => row.alias_of.unwrap_or(id),
            _ => self.inventory.canonical(id),
        }
    }

    fn write_instance(&mut self, instance: Instance) {
        self.instances
            .write(instance, &mut self.rows, &mut self.growth);
    }

    fn write_operation(&mut self, id: OperationId, key: Option<OperationKey>) {
        let operation = Operation { id, key };
        self.operations
            .write(operation, &mut self.rows, &mut self.growth);
    }

    fn write_address(&mut self, id: AddressId, address: Option<Arc<str>>) {
        let address = Address { id, address };
        self.addresses
            .write(address, &mut self.rows, &mut self.growth);
    }

    fn proposed_or_registered(&self, id: InstanceId) -> Option<Instance> {
        let proposed = self
            .instances
            .place(id)
            .and_then(|place| self.rows.get(place));
        match proposed {
            Some(Row::Instance(instance)) => Some(instance.clone()),
            _ => self.inventory.instance(id),
        }
    }

    /// From now on, defers the descriptions of registered instances for which `defers` returns `true`.
    pub fn defer(&mut self, defers: &'a dyn Fn(InstanceId) -> bool) {
        self.defers = Some(defers);
    }

    /// Applies an agent's report about an instance if it differs from the recorded state and is not deferred.
    fn report(&mut self, description: Description) {
        let instance = description.instance;
        let waits = self.defers.is_some_and(|defers| defers(instance));
        if waits && self.instances.place(instance).is_none() {
            let known = self.inventory.instance(instance);
            let differs = known.is_some_and(|known| {
                let mut described = known.clone();
                described.describe(&description);
                described != known
            });
            if differs {
                self.changes.deferred.push(description);
            }
            return;
        }
        self.describe(&description);
    }

    /// Applies a deferred description if it differs from the recorded state.
    pub fn describe(&mut self, description: &Description) {
        let id = description.instance;
        let is_registered = self.instances.is_registered(id);
        let before = self.rows.len();
        self.update(id, |instance| instance.describe(description));
        if is_registered && self.rows.len() > before {
            self.changes.changed.push(id);
        }
    }

    /// Takes the changes of descriptions in this proposal.
    pub fn changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Proposes a newer state of an instance if it differs. If larger properties do not fit, the instance keeps its recorded ones;
    /// the agent gets no error.
    fn update(&mut self, id: InstanceId, change: impl FnOnce(&mut Instance)) {
        if let Some(before) = self.proposed_or_registered(id) {
            let mut instance = before.clone();
            change(&mut instance);
            let growth = instance.cost().saturating_sub(before.cost());
            if growth > 0 && self.make_room(growth).is_err() {
                instance.properties = before.properties.clone();
            }
            if instance != before {
                self.write_instance(instance);
            }
        }
    }
}

impl Instance {
    /// Applies a report of its agent.
    fn describe(&mut self, description: &Description) {
        self.generation = description.generation.or(self.generation);
        if !description.properties.is_empty() {
            self.properties = description.properties.clone();
        }
    }
}

impl fmt::Debug for Proposal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proposal").field(&self.rows).finish()
    }
}
