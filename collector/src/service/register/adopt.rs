//! Ids that agents bring along: recorded as they are, so that nobody else is given them.

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId,
    liveness::{Signal, State},
};
use tokio::time::{error::Elapsed, timeout_at};

use super::{Error, Handle};
use crate::{service::heartbeat::Sign, storage::Seen};

/// An id that an agent used outside a registration, so that it must have been given to it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    Application(ApplicationId),
    /// An instance that it knows of. That is no sign of life of that instance, so it gets no lease.
    Instance(InstanceId),
    Operation(OperationId),
    Address(AddressId),
}

impl Handle {
    /// Records ids that an agent uses and this inventory has never given out, so that nobody else is given them.
    ///
    /// # Errors
    /// [`Error::TooManyAdopted`] if no more unknown ids are taken; otherwise as [`Handle::application`].
    pub async fn adopt(&self, held: impl Iterator<Item = Held>) -> Result<(), Error> {
        let unknown: Vec<Held> = held.filter(|held| !self.has(*held)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.queue
            .propose(self.due(), move |proposal| {
                for held in &unknown {
                    match *held {
                        Held::Application(id) => proposal.adopt_application(id)?,
                        Held::Instance(id) => proposal.adopt_instance(id, None)?,
                        Held::Operation(id) => proposal.adopt_operation(id)?,
                        Held::Address(id) => proposal.adopt_address(id)?,
                    }
                }
                Ok(())
            })
            .await
    }

    /// Records what a sign of life tells of an instance that this inventory does not know, or not in full.
    pub(in crate::service) async fn adopt_instance(&self, sign: Sign) -> Result<(), Error> {
        let Sign {
            instance,
            application,
            signal,
        } = sign;
        self.queue
            .propose(self.due(), move |proposal| {
                Ok(proposal.adopt_instance(instance, application)?)
            })
            .await?;
        self.note_first(instance, signal).await
    }

    /// Makes durable that an adopted instance was heard of itself. Without that it would have no lease after a restart,
    /// like those that others only spoke of.
    pub(super) async fn note_first(
        &self,
        instance: InstanceId,
        signal: Signal,
    ) -> Result<(), Error> {
        let last_seen = self.core.clock.wall();
        let seen = Seen {
            instance,
            last_seen,
            signal,
            state: State::Up,
        };
        match timeout_at(self.due(), self.note(vec![seen])).await {
            Ok(noted) => noted,
            Err(Elapsed { .. }) => Err(Error::DeadlineExceeded),
        }
    }

    fn has(&self, held: Held) -> bool {
        let inventory = &self.core.inventory;
        match held {
            Held::Application(id) => inventory.application(id).is_some(),
            // Instances count from 1: what is below is nobody's, and never will be.
            Held::Instance(id) => id.get() < 1 || inventory.read_instance(id, |_| ()).is_some(),
            Held::Operation(id) => inventory.operation(id).is_some(),
            Held::Address(id) => inventory.address(id).is_some(),
        }
    }
}
