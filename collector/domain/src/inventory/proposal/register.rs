//! Registration: assigns ids to keys.
//!
//! Ids of the zero-centred and counting sequences are assigned only for callers that receive them: agents up to 7.0. Agents of 8.0
//! and later use no ids, so their registrations get internal ids. An application that such an agent registered first gets a second
//! id, an alias, once a caller needs an id. It stays one application.

use std::sync::Arc;

use super::{Error, NewInstance, Proposal};
use crate::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{
        Address, Application, Description, Instance, InstanceKey, OperationKey, cost,
        entry::Entry as _, overlay::Audience,
    },
};

impl Proposal<'_> {
    /// Registers an application for a caller that receives its id.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`].
    pub fn application(&mut self, code: &str) -> Result<ApplicationId, Error> {
        let code = Arc::from(code);
        match self.applications.id(&code) {
            Some(internal) if internal.is_internal() => self.announce(internal),
            Some(id) => Ok(id),
            None => {
                self.make_room_for_application(cost::application(Some(&code)))?;
                let limit = self.limits.assigned;
                let id = self.applications.assign(limit, Audience::Agents)?;
                self.reserve_application();
                self.write_application(id, Some(code));
                Ok(id)
            }
        }
    }

    /// The id by which agents know an application with an internal id. Assigns one on first use.
    fn announce(&mut self, internal: ApplicationId) -> Result<ApplicationId, Error> {
        let proposed = self.announced.get(&internal).copied();
        if let Some(id) = proposed.or_else(|| self.inventory.announced(internal)) {
            return Ok(id);
        }
        self.make_room_for_application(cost::application(None))?;
        let limit = self.limits.assigned;
        let id = self.applications.assign(limit, Audience::Agents)?;
        self.reserve_application();
        let alias = Application {
            id,
            code: None,
            registered_at: self.at,
            alias_of: Some(internal),
        };
        self.applications
            .write(alias, &mut self.rows, &mut self.growth);
        self.announced.insert(internal, id);
        Ok(id)
    }

    /// Registers an application for a caller that uses no ids.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`].
    pub fn named_application(&mut self, code: &str) -> Result<ApplicationId, Error> {
        let code = Arc::from(code);
        if let Some(id) = self.applications.id(&code) {
            return Ok(id);
        }
        self.make_room_for::<Application>(cost::application(Some(&code)))?;
        let limit = self.limits.assigned;
        let id = self.applications.assign(limit, Audience::Collectors)?;
        self.write_application(id, Some(code));
        Ok(id)
    }

    /// Registers an instance for a caller that receives its id. A registered instance takes the reported properties and generation
    /// if they differ, and keeps its first registration time. An unknown application is adopted first.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`]; those of [`Proposal::adopt_peer_application`].
    pub fn instance(&mut self, mut new: NewInstance) -> Result<InstanceId, Error> {
        let mut key = InstanceKey {
            application: new.application,
            uuid: Arc::clone(&new.uuid),
            is_internal: false,
        };
        if let Some(id) = self.instances.id(&key) {
            return Ok(self.reported(id, new));
        }
        self.adopt_peer_application(new.application)?;
        new.application = self.canonical(new.application);
        if new.application != key.application {
            key.application = new.application;
            if let Some(id) = self.instances.id(&key) {
                return Ok(self.reported(id, new));
            }
        }
        self.add(new, Audience::Agents)
    }

    /// Registers an instance of an application for a caller that uses no ids. A registered instance takes the reported properties
    /// and generation as in [`Proposal::instance`]. Instances to which an earlier release assigned an id of the sequence keep it.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`].
    pub fn named_instance(&mut self, new: NewInstance) -> Result<InstanceId, Error> {
        for is_internal in [true, false] {
            let key = InstanceKey {
                application: new.application,
                uuid: Arc::clone(&new.uuid),
                is_internal,
            };
            let known = self.instances.id(&key);
            if let Some(id) = known.filter(|id| is_internal || self.is_unannounced(*id)) {
                return Ok(self.reported(id, new));
            }
        }
        self.add(new, Audience::Collectors)
    }

    fn is_unannounced(&self, id: InstanceId) -> bool {
        let instance = self.proposed_or_registered(id);
        instance.as_ref().is_some_and(Instance::is_unannounced)
    }

    fn reported(&mut self, id: InstanceId, new: NewInstance) -> InstanceId {
        self.report(Description {
            instance: id,
            generation: new.generation,
            properties: new.properties,
        });
        id
    }

    fn add(&mut self, new: NewInstance, audience: Audience) -> Result<InstanceId, Error> {
        self.make_room_for::<Instance>(cost::instance(
            true,
            Some(&new.uuid),
            new.properties.view(),
        ))?;
        let id = self.instances.assign(self.limits.assigned, audience)?;
        self.write_instance(Instance {
            id,
            application: Some(new.application),
            uuid: Some(new.uuid),
            registered_at: self.at,
            generation: new.generation,
            adopted: false,
            properties: new.properties,
        });
        Ok(id)
    }

    /// Registers an operation. An unknown application is adopted first.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`]; those of [`Proposal::adopt_peer_application`].
    pub fn operation(&mut self, mut key: OperationKey) -> Result<OperationId, Error> {
        if let Some(id) = self.operations.id(&key) {
            return Ok(id);
        }
        self.adopt_peer_application(key.application)?;
        key.application = self.canonical(key.application);
        if let Some(id) = self.operations.id(&key) {
            return Ok(id);
        }
        self.make_room_for_operation(cost::operation(Some(&key.name)))?;
        let limit = self.limits.assigned;
        let id = self.operations.assign(limit, Audience::Agents)?;
        self.reserve_operation();
        self.write_operation(id, Some(key));
        Ok(id)
    }

    /// Registers an address.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NoRoom`].
    pub fn address(&mut self, address: &str) -> Result<AddressId, Error> {
        let address = Arc::from(address);
        if let Some(id) = self.addresses.id(&address) {
            return Ok(id);
        }
        self.make_room_for::<Address>(cost::address(Some(&address)))?;
        let limit = self.limits.assigned;
        let id = self.addresses.assign(limit, Audience::Agents)?;
        self.write_address(id, Some(address));
        Ok(id)
    }
}
