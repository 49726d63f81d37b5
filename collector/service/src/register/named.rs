//! Instances that are known by names alone, as to agents of 8.x and later.

use std::sync::Arc;

use rollcall_domain::{
    InstanceId,
    inventory::{Generation, NewInstance, Properties, Proposal, proposal},
    liveness::Signal,
};

use super::{Error, Handle, Registration, rates::Kind};

/// What an agent of 8.x calls its instance. Inside, the service is the application's code, and the instance's name its
/// UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceName<'a> {
    pub service: &'a str,
    pub instance: &'a str,
}

/// Who knows instances by names alone.
const GENERATION: Option<Generation> = Some(Generation::V8);

/// What the name of a service is called where it cannot be used.
pub const SERVICE: &str = "service";
/// What the name of an instance is called where it cannot be used.
const INSTANCE: &str = "service instance";

impl Handle {
    /// Registers an instance by its names, and its application if need be. It is up from now on. Empty properties leave
    /// those that it told before.
    ///
    /// # Errors
    /// As [`Handle::application`].
    pub async fn named(
        &self,
        name: InstanceName<'_>,
        mut properties: Properties,
    ) -> Result<(), Error> {
        let InstanceName { service, instance } = name;
        self.check(SERVICE, service)?;
        self.check(INSTANCE, instance)?;
        self.fit(&mut properties);
        let known = self.shared.core.instance_named(name);
        let id = match known {
            Some(id) if self.is_as_reported(id, GENERATION, &properties) => id,
            // What is on record is enough to renew its lease.
            Some(id) if self.allow_one(Kind::Registration).is_err() => id,
            _ => {
                if known.is_none() {
                    self.allow_one(Kind::Registration)?;
                }
                let (code, uuid) = (Arc::<str>::from(service), Arc::<str>::from(instance));
                let due = self.due();
                let registration = || Registration::Named {
                    service: Arc::clone(&code),
                    instance: Arc::clone(&uuid),
                    properties: properties.clone(),
                };
                self.ask_owner(due, || vec![registration()]).await;
                self.shared
                    .queue
                    .propose(due, move |proposal| {
                        Ok(propose(proposal, &code, &uuid, &properties)?)
                    })
                    .await?
            }
        };
        self.shared.core.welcome(id, Signal::Register);
        Ok(())
    }
}

impl Handle {
    /// Registers instances by their names, without properties. They are up from now on.
    ///
    /// # Errors
    /// As [`Handle::application`], if not one instance could be registered.
    pub(crate) async fn all_named(&self, names: &[InstanceName<'_>]) -> Result<(), Error> {
        let lookup = |name: InstanceName<'_>| {
            self.check(SERVICE, name.service)?;
            self.check(INSTANCE, name.instance)?;
            Ok(self.shared.core.instance_named(name))
        };
        let registration = |(service, instance)| Registration::Named {
            service,
            instance,
            properties: Properties::default(),
        };
        let own = |name: InstanceName<'_>| -> (Arc<str>, Arc<str>) {
            (name.service.into(), name.instance.into())
        };
        let ids = self
            .each(
                names.iter().copied(),
                lookup,
                own,
                registration,
                |proposal, (service, instance)| {
                    Ok(propose(
                        proposal,
                        service,
                        instance,
                        &Properties::default(),
                    )?)
                },
            )
            .await?;
        for id in ids.into_iter().flatten() {
            self.shared.core.welcome(id, Signal::Register);
        }
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
    let application = proposal.named_application(service)?;
    proposal.named_instance(NewInstance {
        application,
        uuid: Arc::clone(instance),
        generation: GENERATION,
        properties: properties.clone(),
    })
}
