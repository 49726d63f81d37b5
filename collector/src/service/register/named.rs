//! Instances that are known by names alone, as to agents of 8.x and later.

use std::sync::Arc;

use rollcall_domain::{
    InstanceId,
    inventory::{Generation, NewInstance, Properties, Proposal, proposal},
    liveness::Signal,
};

use super::{Error, Handle, Registration};

/// What an agent of 8.x calls its instance. Inside, the service is the application's code, and the instance's name its
/// UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceName<'a> {
    pub service: &'a str,
    pub instance: &'a str,
}

/// Who knows instances by names alone.
const GENERATION: Option<Generation> = Some(Generation::V8);

/// What the name of a service is called where it cannot be used.
pub const SERVICE: &str = "service";

impl Handle {
    /// Registers an instance by its names, and its application if need be. It is up from now on. Empty properties leave
    /// those that it told before.
    ///
    /// # Errors
    /// As [`Handle::application`].
    pub async fn named(&self, name: InstanceName<'_>, properties: Properties) -> Result<(), Error> {
        let InstanceName { service, instance } = name;
        self.check(SERVICE, service)?;
        self.check("service instance", instance)?;
        let id = match self.core.instance_named(name) {
            Some(id) if self.is_as_told(id, GENERATION, &properties) => id,
            _ => {
                let (code, uuid) = (Arc::<str>::from(service), Arc::<str>::from(instance));
                let due = self.due();
                let registration = || Registration::Named {
                    service: Arc::clone(&code),
                    instance: Arc::clone(&uuid),
                    properties: properties.clone(),
                };
                self.ask_owner(due, || vec![registration()]).await;
                self.queue
                    .propose(due, move |proposal| {
                        Ok(propose(proposal, &code, &uuid, &properties)?)
                    })
                    .await?
            }
        };
        self.core.welcome(id, Signal::Register);
        Ok(())
    }
}

/// Puts an instance into a batch, and its application if need be.
pub(super) fn propose(
    proposal: &mut Proposal<'_>,
    service: &str,
    instance: &Arc<str>,
    properties: &Properties,
) -> Result<InstanceId, proposal::Error> {
    let application = proposal.application(service)?;
    proposal.instance(NewInstance {
        application,
        uuid: Arc::clone(instance),
        generation: GENERATION,
        properties: properties.clone(),
    })
}
