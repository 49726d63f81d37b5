//! Ids for names: look-ups answer at once, new names go through the one writer.
//!
//! A call either finds its key in the inventory (no lock, no I/O) or hands a job to the [`Writer`] and waits for it until
//! its deadline. In a cluster it has the owner do the same first ([`Owners`]). The writer owns the allocator and the storage,
//! so all callers that ask for one key at once are given one id, and an id is durable before anyone hears of it (DESIGN
//! section 4, invariants 1 and 2).

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{Allocator, Generation, NewInstance, OperationKey, Properties, Proposal, SpanType},
    liveness::Signal,
};
use tokio::time::Instant;

use super::{Core, readiness::Readiness};
use crate::{
    metrics::Metrics,
    storage::{Seen, Storage},
};

mod adopt;
mod batch;
mod error;
mod follow;
mod job;
mod named;
mod owner;
mod registration;
mod writer;

pub use adopt::Held;
pub use error::{Error, KeyFault};
pub use named::{InstanceName, SERVICE};
pub use owner::{Owners, Peer};
pub use registration::Registration;
pub use writer::{Failure, Writer};

use follow::Agreement;
use job::Queue;

/// Limits of registration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Jobs that may wait for the writer; one more is refused as [`Error::Overloaded`].
    pub queue_capacity: usize,
    /// How long a call waits for its id.
    pub deadline: Duration,
    /// The longest code, UUID, operation name or address, in bytes.
    pub max_key_bytes: usize,
    /// Rows after which the writer commits although more jobs wait.
    pub batch_rows: usize,
}

/// Asks for ids. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    core: Core,
    queue: Queue,
    owners: Option<Arc<dyn Owners>>,
    deadline: Duration,
    max_key_bytes: usize,
}

/// What an agent says, after a reconnect, of the ids it holds.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub application: ApplicationId,
    pub instance: InstanceId,
    /// `None` where the call does not tell.
    pub generation: Option<Generation>,
    pub properties: Properties,
}

/// The handle for the faces, and the writer for a thread of its own.
pub(super) fn build(
    config: &Config,
    core: Core,
    allocator: Allocator,
    storage: Box<dyn Storage>,
    owners: Option<Arc<dyn Owners>>,
    readiness: Readiness,
    metrics: Metrics,
) -> (Handle, Writer) {
    let (queue, inbox) = job::queue(config.queue_capacity);
    let writer = Writer {
        allocator,
        storage,
        inbox,
        batch_rows: config.batch_rows,
        core: core.clone(),
        readiness,
        metrics,
        away: None,
        agreement: Agreement::default(),
    };
    let handle = Handle {
        core,
        queue,
        owners,
        deadline: config.deadline,
        max_key_bytes: config.max_key_bytes,
    };
    (handle, writer)
}

impl Handle {
    /// The id of the application called `code`; a new one if it has none yet.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for an empty or too long code; [`Error::DeadlineExceeded`] if no id was durable in time (it
    /// may be soon: ask again); otherwise why no id can be given.
    pub async fn application(&self, code: &str) -> Result<ApplicationId, Error> {
        self.check("application code", code)?;
        if let Some(id) = self.core.inventory.application_id(code) {
            return Ok(id);
        }
        let (due, code) = (self.due(), Arc::<str>::from(code));
        self.ask_owner(due, || vec![Registration::Application(Arc::clone(&code))])
            .await;
        self.queue
            .propose(due, move |proposal| Ok(proposal.application(&code)?))
            .await
    }

    /// The ids of the applications called `codes`, in their order; `None` where a code is unusable or no id was durable
    /// in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if not one id could be given.
    pub async fn applications<S: AsRef<str>>(
        &self,
        codes: &[S],
    ) -> Result<Vec<Option<ApplicationId>>, Error> {
        let codes = codes.iter().map(AsRef::as_ref);
        let lookup = |code: &str| {
            self.check("application code", code)?;
            Ok(self.core.inventory.application_id(code))
        };
        let propose =
            |proposal: &mut Proposal<'_>, code: &Arc<str>| Ok(proposal.application(code)?);
        self.each(
            codes,
            lookup,
            Arc::<str>::from,
            Registration::Application,
            propose,
        )
        .await
    }

    /// The id of the instance that this process is; a new one if it has none yet. It is up from now on.
    ///
    /// An application id that the collector does not know is adopted.
    ///
    /// # Errors
    /// As [`Handle::application`].
    pub async fn instance(&self, process: NewInstance) -> Result<InstanceId, Error> {
        self.check("agent UUID", &process.uuid)?;
        let id = match self
            .core
            .inventory
            .instance_id(process.application, &process.uuid)
        {
            Some(id) if self.is_as_told(id, process.generation, &process.properties) => id,
            _ => {
                let due = self.due();
                self.ask_owner(due, || vec![Registration::Instance(process.clone())])
                    .await;
                self.queue
                    .propose(due, move |proposal| Ok(proposal.instance(process.clone())?))
                    .await?
            }
        };
        self.core.welcome(id, Signal::Register);
        Ok(id)
    }

    /// The ids of these operations, in their order; `None` where a name is unusable or no id was durable in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if not one id could be given.
    pub async fn operations(
        &self,
        operations: &[OperationRef<'_>],
    ) -> Result<Vec<Option<OperationId>>, Error> {
        let lookup = |operation: OperationRef<'_>| {
            self.check("service name", operation.name)?;
            let OperationRef {
                application,
                span_type,
                name,
            } = operation;
            Ok(self
                .core
                .inventory
                .operation_id(application, span_type, name))
        };
        self.each(
            operations.iter().copied(),
            lookup,
            OperationKey::from,
            Registration::Operation,
            |proposal, key| Ok(proposal.operation(key.clone())?),
        )
        .await
    }

    /// The ids of these addresses, in their order; `None` where one is unusable or no id was durable in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if not one id could be given.
    pub async fn addresses<S: AsRef<str>>(
        &self,
        addresses: &[S],
    ) -> Result<Vec<Option<AddressId>>, Error> {
        let addresses = addresses.iter().map(AsRef::as_ref);
        let lookup = |address: &str| {
            self.check("network address", address)?;
            Ok(self.core.inventory.address_id(address))
        };
        let propose =
            |proposal: &mut Proposal<'_>, address: &Arc<str>| Ok(proposal.address(address)?);
        self.each(
            addresses,
            lookup,
            Arc::<str>::from,
            Registration::Address,
            propose,
        )
        .await
    }

    /// Takes note of an instance that says, after a reconnect, which ids it holds. Its UUID and first registration time
    /// are kept; an instance or application that the collector does not know is adopted. It is up from now on.
    ///
    /// # Errors
    /// [`Error::OtherApplication`] if the instance is known under another application; [`Error::TooManyAdopted`] if no more
    /// unknown ids are taken; otherwise as [`Handle::application`].
    pub async fn recover(&self, recovery: Recovery) -> Result<(), Error> {
        let Recovery {
            application,
            instance,
            generation,
            properties,
        } = recovery;
        let known = self
            .core
            .inventory
            .read_instance(instance, |known| known.application);
        if known != Some(Some(application)) || !self.is_as_told(instance, generation, &properties) {
            self.queue
                .propose(self.due(), move |proposal| {
                    let properties = properties.clone();
                    Ok(proposal.recover(application, instance, generation, properties)?)
                })
                .await?;
        }
        if self.core.is_unheard(instance) {
            self.note_first(instance, Signal::Recover).await?;
        }
        self.core.welcome(instance, Signal::Recover);
        Ok(())
    }

    /// Makes durable when instances were last seen.
    pub(super) async fn note(&self, seen: Vec<Seen>) -> Result<(), Error> {
        self.queue.note(seen).await
    }

    /// Whether there is such an application, also one whose id was only brought along.
    #[must_use]
    pub fn knows(&self, application: ApplicationId) -> bool {
        self.core.inventory.application(application).is_some()
    }

    /// How many jobs wait for the writer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.queue.len()
    }

    /// Has the writer see what other collectors have made durable in the store that they share.
    pub fn catch_up(&self) {
        self.queue.catch_up();
    }

    /// Lets the writer finish what waits, and end.
    pub fn stop(&self) {
        self.queue.stop();
    }

    fn due(&self) -> Instant {
        Instant::now() + self.deadline
    }

    fn check(&self, field: &'static str, key: &str) -> Result<(), Error> {
        let reason = match key.len() {
            0 => KeyFault::Empty,
            length if length > self.max_key_bytes => KeyFault::TooLong {
                length,
                limit: self.max_key_bytes,
            },
            _ => return Ok(()),
        };
        Err(Error::InvalidKey { field, reason })
    }

    /// Whether the inventory holds just what the agent says of its process, so that there is nothing to write.
    fn is_as_told(
        &self,
        id: InstanceId,
        generation: Option<Generation>,
        properties: &Properties,
    ) -> bool {
        self.core.inventory.read_instance(id, |known| {
            (properties.is_empty() || known.properties == *properties)
                && (generation.is_none() || known.generation == generation)
        }) == Some(true)
    }
}

/// What an operation is known by, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct OperationRef<'a> {
    pub application: ApplicationId,
    pub span_type: SpanType,
    pub name: &'a str,
}

impl From<OperationRef<'_>> for OperationKey {
    fn from(operation: OperationRef<'_>) -> Self {
        Self {
            application: operation.application,
            span_type: operation.span_type,
            name: operation.name.into(),
        }
    }
}
