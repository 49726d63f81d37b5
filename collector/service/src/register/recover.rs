//! Recovery: what an agent reports, after a reconnect, of the ids it holds.

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{Generation, Properties},
    liveness::Signal,
};

use super::{Error, Handle, rates::Kind};

/// What an agent reports, after a reconnect, of the ids it holds.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub application: ApplicationId,
    pub instance: InstanceId,
    /// `None` where the call does not tell.
    pub generation: Option<Generation>,
    pub properties: Properties,
}

impl Handle {
    /// Records what an instance reports after a reconnect. Its UUID and first registration time are kept; an instance or
    /// application that the collector does not know is adopted. The instance is up from now on.
    ///
    /// # Errors
    /// [`Error::OtherApplication`] if the instance is known under another application; [`Error::TooManyAdopted`] if no more
    /// unknown ids are taken; otherwise as [`Handle::application`].
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
        let is_recorded = is_its && !core.is_unheard(instance);
        if !is_recorded || !self.is_as_reported(instance, generation, &properties) {
            match self.allow_one(Kind::Adoption) {
                Ok(()) => {
                    let first = core
                        .is_unheard(instance)
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
                // What is on record is enough to renew its lease.
                Err(limited) if !is_recorded => return Err(limited),
                Err(_limited) => {}
            }
        }
        core.welcome(instance, Signal::Recover);
        Ok(())
    }
}
