//! Recovery: records the ids that an agent holds and reports after a reconnect.

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Generation, Properties},
    liveness::Signal,
};

use super::{Error, Handle, rates::Kind};

/// The report of an agent about the ids it holds, sent after a reconnect.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The application id that the agent holds.
    pub application: ApplicationId,
    /// The instance id that the agent holds.
    pub instance: InstanceId,
    /// `None` if the call carries none.
    pub generation: Option<Generation>,
    /// The properties of the process; empty if the call carries none.
    pub properties: Properties,
}

impl Handle {
    /// Records the report of an instance after a reconnect. Keeps its UUID and first registration time, and adopts an instance or
    /// application that the collector does not know. The instance is then up.
    ///
    /// # Errors
    /// [`Error::OtherApplication`] if the instance is known under another application; [`Error::NotAnInstance`] if the
    /// instance id is internal or less than 1; [`Error::NotAnnounced`] if it belongs to an agent that uses no ids;
    /// [`Error::TooManyAdopted`] if an id is unknown and the limit of adopted ids is reached; otherwise as
    /// [`Handle::application`].
    pub async fn recover(&self, recovery: Recovery) -> Result<(), Error> {
        let Recovery {
            application,
            instance,
            generation,
            mut properties,
        } = recovery;
        self.fit(&mut properties);
        let core = &self.shared.core;
        core.admit(instance)?;
        let known = core
            .inventory
            .read_instance(instance, |known| known.application);
        let is_its = known.flatten() == Some(core.inventory.canonical(application));
        let is_recorded = is_its && !core.is_unseen(instance);
        if !is_recorded || !self.is_as_reported(instance, generation, &properties) {
            match self.allow_one(Kind::Adoption) {
                Ok(()) => {
                    let first = core
                        .is_unseen(instance)
                        .then(|| self.first_sign(instance, Signal::Recover));
                    self.shared
                        .queue
                        .write(self.due(), move |proposal, seen| {
                            let properties = properties.clone();
                            proposal.recover(application, instance, generation, properties)?;
                            seen.extend(first);
                            Ok(())
                        })
                        .await?;
                }
                // The existing record is enough to renew the lease.
                Err(limited) if !is_recorded => return Err(limited),
                Err(_limited) => {}
            }
        }
        core.renew_or_grant(instance, Signal::Recover);
        Ok(())
    }
}
