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
    /// Records that an instance has left, until its next sign of life. Returns `false`, and records nothing, if there is no such
    /// instance.
    ///
    /// # Errors
    /// The store could not be read, and another collector may have registered the instance.
    pub async fn leave(&self, goodbye: Goodbye<'_>) -> Result<bool, register::Error> {
        let mut is_known = self.is_of(goodbye);
        if !is_known {
            self.register.read_latest().await?;
            is_known = self.is_of(goodbye);
        }
        Ok(is_known && self.register.core().leave(goodbye.instance))
    }

    /// As [`Handle::leave`] for an instance that is known by its names. Records nothing for an unknown instance.
    pub fn leave_named(&self, name: InstanceName<'_>) {
        let core = self.register.core();
        if let Some(instance) = core.instance_named(name) {
            core.leave(instance);
        }
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
