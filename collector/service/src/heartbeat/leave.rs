//! Planned stops: an agent announces that its process stops on purpose.

use rollcall_domain::{ApplicationId, InstanceId};

use super::{Handle, InstanceName, register};

/// The announcement of an agent whose process stops on purpose. All three fields must match its record, because after a lost
/// store the id may belong to another process.
#[derive(Clone, Copy, Debug)]
pub struct Goodbye<'a> {
    /// The application id that the agent holds.
    pub application: ApplicationId,
    /// The instance whose process stops.
    pub instance: InstanceId,
    /// The UUID that the agent registered with.
    pub uuid: &'a str,
}

impl Handle {
    /// Records that an instance has left, until its next sign of life, and returns once that is durable. Returns `false`, and
    /// records nothing, if there is no such instance.
    ///
    /// # Errors
    /// The store could not be read, and another collector may have registered the instance. Or the store did not accept the write
    /// in time: the instance has left, and the write-back writes that, but a crash of this collector before then loses it.
    pub async fn leave(&self, goodbye: Goodbye<'_>) -> Result<bool, register::Error> {
        let mut is_known = self.is_of(goodbye);
        if !is_known {
            self.register.read_latest().await?;
            is_known = self.is_of(goodbye);
        }
        Ok(is_known && self.end([goodbye.instance]).await? > 0)
    }

    /// As [`Handle::leave`] for instances that are known by their names. Records nothing for an unknown instance.
    ///
    /// # Errors
    /// The store did not accept the write in time, as for [`Handle::leave`].
    pub async fn leave_all_named(
        &self,
        names: impl IntoIterator<Item = InstanceName<'_>>,
    ) -> Result<(), register::Error> {
        let core = self.register.core();
        let known: Vec<_> = names
            .into_iter()
            .filter_map(|name| core.instance_named(name))
            .collect();
        self.end(known).await.map(drop)
    }

    /// Ends the leases of these instances, and returns how many have one once that is durable. The write-back gathers changes for
    /// half a second, and the agents must not wait for that, because their processes are stopping.
    async fn end(
        &self,
        instances: impl IntoIterator<Item = InstanceId>,
    ) -> Result<usize, register::Error> {
        let core = self.register.core();
        let (mut ended, mut write) = (0, core.changes.write());
        for instance in instances {
            // It is in the write before it leaves, so that another goodbye at the same time does not find it left and written. An
            // earlier goodbye of the instance may not be durable yet.
            let is_unwritten = write.add(instance);
            let left = core.leave(instance);
            ended += usize::from(left.is_some());
            if left != Some(true) && !is_unwritten {
                write.remove_last();
            }
        }
        if !write.is_empty() {
            self.register.record_soon(write).await?;
        }
        Ok(ended)
    }

    fn is_of(&self, goodbye: Goodbye<'_>) -> bool {
        let inventory = &self.register.core().inventory;
        let application = inventory.canonical(goodbye.application);
        let is_its_own = inventory.read_instance(goodbye.instance, |known| {
            // The record of an adopted id has no UUID.
            let uuid = known.uuid.unwrap_or(goodbye.uuid);
            known.application == Some(application) && uuid == goodbye.uuid
        });
        is_its_own == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::inventory::{NewInstance, Properties};

    use super::*;
    use crate::testing::Fixture;

    /// Agents up to 7.0 get another application id than the one in the record if an agent of 8.0 or later registered the
    /// application first.
    #[tokio::test]
    async fn an_instance_leaves_by_the_application_id_that_its_agent_got() {
        let running = Fixture::start();
        let (register, heartbeat) = (&running.services.register, &running.services.heartbeat);
        let name = InstanceName {
            service: "orders",
            instance: "of 8.x",
        };
        register.named(name, Properties::default()).await.unwrap();
        let application = register.application("orders").await.unwrap();
        let process = NewInstance {
            application,
            uuid: "one".into(),
            generation: None,
            properties: Properties::default(),
        };
        let goodbye = Goodbye {
            application,
            instance: register.instance(process).await.unwrap(),
            uuid: "one",
        };
        let another = Goodbye {
            application: register.application("another").await.unwrap(),
            ..goodbye
        };
        assert!(!heartbeat.leave(another).await.unwrap());
        assert!(heartbeat.leave(goodbye).await.unwrap());
    }
}
