//! Instances that are identified by a UUID, as all agents before 8.0 register them.

use rollcall_domain::{
    InstanceId,
    inventory::{Generation, NewInstance, Properties},
    liveness::Signal,
};

use super::{Error, Handle, Registration, rates::Kind};

impl Handle {
    /// The id of this process's instance. Assigns one if the instance has none yet. The instance is then up.
    ///
    /// Adopts an application id that the collector does not know.
    ///
    /// # Errors
    /// As [`Handle::application`].
    pub async fn instance(&self, mut process: NewInstance) -> Result<InstanceId, Error> {
        self.check("agent UUID", &process.uuid)?;
        self.fit(&mut process.properties);
        let known = self.instance_id(&process);
        let id = match known {
            Some(id) if self.is_as_reported(id, process.generation, &process.properties) => id,
            // The instance keeps its recorded properties.
            Some(id) if self.allow_one(Kind::Registration).is_err() => id,
            _ => {
                if known.is_none() {
                    if self.shared.core.listening.refuses(1) {
                        return Err(Error::Listening);
                    }
                    self.allow_one(Kind::Registration)?;
                }
                let due = self.due();
                self.forward_to_owner(due, || vec![Registration::Instance(process.clone())])
                    .await;
                let registered = self
                    .shared
                    .queue
                    .register(due, move |proposal| Ok(proposal.instance(process.clone())?))
                    .await;
                match (known, registered) {
                    // The instance keeps its recorded properties.
                    (Some(id), Err(Error::StoreFull | Error::StoreUnavailable)) => id,
                    (_, registered) => return registered,
                }
            }
        };
        self.shared.core.renew_or_grant(id, Signal::Register);
        Ok(id)
    }

    /// As [`Handle::instance`] for many processes: their ids in the order of the processes; `None` where a UUID is unusable or no
    /// id was durable in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if no id could be assigned.
    pub async fn instances(
        &self,
        processes: &[NewInstance],
    ) -> Result<Vec<Option<InstanceId>>, Error> {
        let processes = self.fit_all(processes);
        let lookup = |process: &NewInstance| {
            self.check("agent UUID", &process.uuid)?;
            let id = self.instance_id(process);
            Ok(id.filter(|id| self.is_as_reported(*id, process.generation, &process.properties)))
        };
        let assigned = self
            .each(
                processes.iter(),
                lookup,
                NewInstance::clone,
                Registration::Instance,
                |proposal, process| Ok(proposal.instance(process.clone())?),
            )
            .await;
        let mut ids = match assigned {
            Err(Error::PeerLimit) => vec![None; processes.len()],
            assigned => assigned?,
        };
        // A known instance whose new properties exceed the limit keeps the recorded ones.
        for (id, process) in ids.iter_mut().zip(processes.iter()) {
            *id = id.or_else(|| self.instance_id(process));
        }
        if !ids.is_empty() && ids.iter().all(Option::is_none) {
            return Err(Error::PeerLimit);
        }
        for id in ids.iter().flatten() {
            self.shared.core.renew_or_grant(*id, Signal::Register);
        }
        Ok(ids)
    }

    fn instance_id(&self, process: &NewInstance) -> Option<InstanceId> {
        let inventory = &self.shared.core.inventory;
        inventory.instance_id(process.application, &process.uuid)
    }

    /// Whether the inventory already has the values that the agent reports about its process, so that no write is needed.
    pub(super) fn is_as_reported(
        &self,
        id: InstanceId,
        generation: Option<Generation>,
        properties: &Properties,
    ) -> bool {
        self.shared.core.inventory.read_instance(id, |known| {
            (properties.is_empty() || known.properties == *properties)
                && (generation.is_none() || known.generation == generation)
        }) == Some(true)
    }
}
