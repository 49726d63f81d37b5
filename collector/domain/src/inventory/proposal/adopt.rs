//! Adoption: records ids that agents already hold, so that they are never assigned to another key.

use super::{Error, Proposal};
use crate::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{
        Address, Application, Description, Dictionary, Generation, Instance, Operation, Properties,
        cost, entry::Entry as _,
    },
};

impl Proposal<'_> {
    /// Applies an agent's report after a reconnect: its ids, generation and properties. A known instance keeps its UUID and first
    /// registration time. An unknown instance is adopted, and so is its application.
    ///
    /// # Errors
    /// Those of [`Proposal::adopt_instance`].
    pub fn recover(
        &mut self,
        application: ApplicationId,
        instance: InstanceId,
        generation: Option<Generation>,
        properties: Properties,
    ) -> Result<(), Error> {
        self.adopt_instance(instance, Some(application))?;
        self.report(Description {
            instance,
            generation,
            properties,
        });
        Ok(())
    }

    /// Adopts the application id of an agent that reports itself. Does nothing if it is known.
    ///
    /// # Errors
    /// [`Error::Internal`]; [`Error::TooManyAdopted`]; [`Error::NoRoom`].
    pub fn adopt_application(&mut self, id: ApplicationId) -> Result<(), Error> {
        self.adopt_application_within(id, self.limits.adopted)
    }

    /// Adopts an application id that an agent uses without reporting itself: for a peer, or to register a name. Does nothing if it
    /// is known. Stops at half of the adopted ids, so that the other half is left for agents that report themselves.
    ///
    /// # Errors
    /// [`Error::Internal`]; [`Error::TooManyAdopted`]; [`Error::NoRoom`].
    pub fn adopt_peer_application(&mut self, id: ApplicationId) -> Result<(), Error> {
        self.adopt_application_within(id, self.limits.adopted / 2)
    }

    fn adopt_application_within(&mut self, id: ApplicationId, limit: usize) -> Result<(), Error> {
        if id.is_internal() {
            return Err(Error::Internal(Dictionary::Applications, id.get()));
        }
        if self.applications.reserved() == Some(id) {
            self.make_room_for::<Application>(cost::application(None))?;
            self.reserve_application();
        } else if !self.applications.knows(id) {
            self.make_room_for::<Application>(cost::application(None))?;
            self.applications.adopt(limit)?;
            self.write_application(id, None);
        }
        Ok(())
    }

    /// Adopts an instance id that an agent uses, and its application if the call names one. Known facts stay. An instance with an
    /// unknown application gets the one of the call.
    ///
    /// # Errors
    /// [`Error::OtherApplication`] if the instance belongs to another application; the recorded one stays.
    /// [`Error::NotAnInstance`]; [`Error::NotAnnounced`]; those of [`Proposal::adopt_application`].
    pub fn adopt_instance(
        &mut self,
        id: InstanceId,
        application: Option<ApplicationId>,
    ) -> Result<(), Error> {
        if id.get() < 1 {
            return Err(Error::NotAnInstance(id));
        }
        let known = self.proposed_or_registered(id);
        if known.as_ref().is_some_and(Instance::is_unannounced) {
            return Err(Error::NotAnnounced(id));
        }
        if let Some(Instance {
            application: Some(known),
            ..
        }) = known
        {
            let is_its = |named| self.canonical(named) == self.canonical(known);
            return match application {
                Some(named) if !is_its(named) => Err(Error::OtherApplication {
                    instance: id,
                    known: self.inventory.shown(known),
                }),
                _ => Ok(()),
            };
        }
        if let Some(application) = application {
            self.adopt_application(application)?;
        }
        let application = application.map(|application| self.canonical(application));
        if known.is_some() {
            self.update(id, |instance| instance.application = application);
            return Ok(());
        }
        self.make_room_for::<Instance>(cost::instance(false, None, Properties::default().view()))?;
        self.instances.adopt(self.limits.adopted)?;
        self.write_instance(Instance {
            id,
            application,
            uuid: None,
            registered_at: self.at,
            generation: None,
            adopted: true,
            properties: Properties::default(),
        });
        Ok(())
    }

    /// Adopts an operation id that an agent uses. Does nothing if it is known.
    ///
    /// # Errors
    /// [`Error::TooManyAdopted`].
    pub fn adopt_operation(&mut self, id: OperationId) -> Result<(), Error> {
        if id.is_internal() {
            return Err(Error::Internal(Dictionary::Operations, id.get()));
        }
        if self.operations.reserved() == Some(id) {
            self.make_room_for::<Operation>(cost::operation(None))?;
            self.reserve_operation();
        } else if !self.operations.knows(id) {
            self.make_room_for::<Operation>(cost::operation(None))?;
            self.operations.adopt(self.limits.adopted)?;
            self.write_operation(id, None);
        }
        Ok(())
    }

    /// Adopts an address id that an agent uses. Does nothing if it is known.
    ///
    /// # Errors
    /// [`Error::TooManyAdopted`].
    pub fn adopt_address(&mut self, id: AddressId) -> Result<(), Error> {
        if id.is_internal() {
            return Err(Error::Internal(Dictionary::Addresses, id.get()));
        }
        if !self.addresses.knows(id) {
            self.make_room_for::<Address>(cost::address(None))?;
            self.addresses.adopt(self.limits.adopted)?;
            self.write_address(id, None);
        }
        Ok(())
    }
}
