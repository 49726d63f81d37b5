//! Instances that are identified by names alone, as agents of 8.x and later do.

use std::sync::Arc;

use rollcall_domain::{
    InstanceId,
    inventory::{Generation, NewInstance, Properties, Proposal, proposal},
    liveness::Signal,
};

use super::{Error, Handle, Registration, rates::Kind};

/// The names by which an agent of 8.x identifies its instance. The inventory stores the service as the application's code, and
/// the instance's name as its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstanceName<'a> {
    /// The name of the service.
    pub service: &'a str,
    /// The name of the instance, unique within the service.
    pub instance: &'a str,
}

/// The agent generation that identifies instances by names alone.
const GENERATION: Option<Generation> = Some(Generation::V8);

/// The term for a service's name in a refusal.
pub const SERVICE: &str = "service";
/// The term for an instance's name in a refusal.
const INSTANCE: &str = "service instance";

impl Handle {
    /// Registers an instance by its names, and its application if necessary. The instance is then up. Empty properties keep the
    /// recorded ones.
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
            // The existing record is enough to renew the lease.
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
                self.forward_to_owner(due, || vec![registration()]).await;
                let propose = move |proposal: &mut Proposal<'_>| {
                    Ok(propose(proposal, &code, &uuid, &properties)?)
                };
                let registered = self.shared.queue.register(due, propose).await;
                match (known, registered) {
                    // The existing record is enough to renew the lease.
                    (Some(id), Err(Error::StoreFull | Error::StoreUnavailable)) => id,
                    (_, registered) => return registered.map(drop),
                }
            }
        };
        self.shared.core.renew_or_grant(id, Signal::Register);
        Ok(())
    }
}

impl Handle {
    /// Registers instances by their names, without properties. They are then up.
    ///
    /// # Errors
    /// As [`Handle::application`], if no instance could be registered.
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
            self.shared.core.renew_or_grant(id, Signal::Register);
        }
        Ok(())
    }
}

/// Adds an instance to a batch, and its application if necessary.
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
