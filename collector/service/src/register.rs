//! Assigns ids to names: known names are answered at once, new names go through the one writer.
//!
//! A call either finds its key in the inventory (no lock, no I/O) or queues a job for the [`Writer`] and waits for it until
//! its deadline. In a cluster it forwards the registration to the owner first ([`Owner`]). The writer owns the allocator and
//! the storage, so concurrent requests for one key get one id, and an id is durable before any caller receives it
//! (ARCHITECTURE.md, invariants 1 and 2).

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use rollcall_domain::properties::Caps;
use rollcall_domain::{
    AddressId, ApplicationId, OperationId,
    inventory::{Allocator, OperationKey, Proposal},
};
use rollcall_metrics::Metrics;
use rollcall_storage::Storage;
use tokio::time::Instant;

use super::{Core, readiness::Readiness};

mod adopt;
mod agreement;
mod batch;
mod caps;
mod damage;
mod error;
mod follow;
mod gather;
mod instance;
mod isolate;
mod job;
mod named;
mod operation;
mod outage;
mod owner;
mod pace;
mod rates;
mod reads;
mod recover;
mod registration;
mod room;
mod seen;
mod snapshot;
mod waiting;
mod writer;

pub use adopt::ForeignId;
pub use error::{Error, KeyFault};
pub use named::{InstanceName, SERVICE};
pub use operation::OperationRef;
pub use owner::{Forward, Owner};
pub use recover::Recovery;
pub use registration::{Registration, Rejected};
pub use writer::{Failure, Writer};

pub use rates::Limits as RateLimits;

use agreement::Agreement;
use gather::Gather;
use job::Queue;
use pace::Pacer;
use rates::{Kind, Rates};
use room::Room;

/// Limits of registration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most jobs that may wait for the writer; further ones are refused as [`Error::Overloaded`].
    pub queue_capacity: usize,
    /// The longest time that a call waits for its id.
    pub deadline: Duration,
    /// The longest code, UUID, operation name or address, in bytes.
    pub max_key_bytes: usize,
    /// The number of rows at which the writer commits even if more jobs wait.
    pub batch_rows: usize,
    /// The shortest interval between two changes of an instance's stored properties; zero for no limit.
    pub change_interval: Duration,
    /// The rate at which one peer may add to the inventory.
    pub rates: RateLimits,
    /// The most ids adopted from one message, besides those of its senders.
    pub max_held_per_message: usize,
    /// Limits on the stored properties of one instance.
    pub properties: Caps,
}

/// Requests ids on behalf of one peer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    peer: Option<rollcall_limits::Peer>,
}

/// The state that all handles share.
#[derive(Debug)]
struct Shared {
    core: Core,
    queue: Queue,
    owner: Option<Arc<dyn Owner>>,
    /// Whether other collectors also write to the store.
    is_store_shared: bool,
    deadline: Duration,
    max_key_bytes: usize,
    max_held_per_message: usize,
    rates: Rates,
    caps: Caps,
    cut: Counter,
}

/// The handle for the faces, and the writer for a separate thread.
pub(super) fn build(
    config: &Config,
    core: Core,
    allocator: Allocator,
    storage: Box<dyn Storage>,
    owner: Option<Arc<dyn Owner>>,
    readiness: Readiness,
    metrics: Metrics,
) -> (Handle, Writer) {
    let (queue, inbox) = job::queue(config.queue_capacity);
    let room = Room::new(allocator.limits().bytes);
    metrics.show_budget(room.budget());
    let cut = metrics.dropped("properties");
    let writer = Writer {
        allocator,
        storage,
        inbox,
        batch_rows: config.batch_rows,
        core: core.clone(),
        readiness,
        pacer: Pacer::new(config.change_interval, &metrics),
        gather: Gather::default(),
        warned_at: None,
        metrics,
        outage: None,
        agreement: Agreement::default(),
        room,
    };
    let shared = Shared {
        core,
        queue,
        owner,
        is_store_shared: writer.storage.is_shared(),
        deadline: config.deadline,
        max_key_bytes: config.max_key_bytes,
        max_held_per_message: config.max_held_per_message,
        rates: Rates::new(config.rates, &writer.metrics),
        caps: config.properties,
        cut,
    };
    let handle = Handle {
        shared: Arc::new(shared),
        peer: None,
    };
    (handle, writer)
}

impl Handle {
    /// A handle for the calls of `peer`, whose new ids count against its own limits. A handle without a peer has no limits and
    /// is for the collector itself.
    #[must_use]
    pub fn for_peer(&self, peer: Option<rollcall_limits::Peer>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            peer,
        }
    }

    /// The id of the application with this code. Assigns one if the application has none yet.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for an empty or too long code; [`Error::DeadlineExceeded`] if no id was durable in time, so that the
    /// caller should retry; otherwise the reason why no id can be assigned.
    pub async fn application(&self, code: &str) -> Result<ApplicationId, Error> {
        self.check("application code", code)?;
        if let Some(id) = self.shared.core.inventory.announced_application_id(code) {
            return Ok(id);
        }
        if self.shared.core.listening.refuses(1) {
            return Err(Error::Listening);
        }
        self.allow_one(Kind::Registration)?;
        let (due, code) = (self.due(), Arc::<str>::from(code));
        self.forward_to_owner(due, || vec![Registration::Application(Arc::clone(&code))])
            .await;
        self.shared
            .queue
            .propose(due, move |proposal| Ok(proposal.application(&code)?))
            .await
    }

    /// The ids of the applications called `codes`, in the same order; `None` where a code is unusable or no id was durable
    /// in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if no id could be assigned.
    pub async fn applications<S: AsRef<str>>(
        &self,
        codes: &[S],
    ) -> Result<Vec<Option<ApplicationId>>, Error> {
        let codes = codes.iter().map(AsRef::as_ref);
        let lookup = |code: &str| {
            self.check("application code", code)?;
            Ok(self.shared.core.inventory.announced_application_id(code))
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

    /// The ids of these operations, in the same order; `None` where a name is unusable or no id was durable in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if no id could be assigned.
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
                .shared
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

    /// The ids of these addresses, in the same order; `None` where one is unusable or no id was durable in time.
    ///
    /// # Errors
    /// As [`Handle::application`], if no id could be assigned.
    pub async fn addresses<S: AsRef<str>>(
        &self,
        addresses: &[S],
    ) -> Result<Vec<Option<AddressId>>, Error> {
        let addresses = addresses.iter().map(AsRef::as_ref);
        let lookup = |address: &str| {
            self.check("network address", address)?;
            Ok(self.shared.core.inventory.address_id(address))
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

    /// Returns once the inventory holds everything that any collector made durable before this call. Only then may an id be
    /// reported as unknown.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], [`Error::DeadlineExceeded`] or [`Error::Stopped`]: the store could not be read in time.
    pub(super) async fn read_latest(&self) -> Result<(), Error> {
        if !self.shared.is_store_shared {
            return Ok(());
        }
        self.shared.queue.read_latest(self.due()).await
    }

    pub(super) fn core(&self) -> &Core {
        &self.shared.core
    }

    /// Whether there is such an application; an adopted one counts too.
    #[must_use]
    pub fn knows(&self, application: ApplicationId) -> bool {
        self.shared
            .core
            .inventory
            .application(application)
            .is_some()
    }

    /// The number of jobs that wait for the writer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.shared.queue.len()
    }

    /// The most jobs that may wait for the writer.
    #[must_use]
    pub fn queue_capacity(&self) -> usize {
        self.shared.queue.capacity()
    }

    /// Requests that the writer apply the records that other collectors have made durable in the shared store.
    pub fn catch_up(&self) {
        self.shared.queue.catch_up();
    }

    /// Ends the writer after it has processed the waiting jobs.
    pub fn stop(&self) {
        self.shared.queue.stop();
    }

    fn due(&self) -> Instant {
        Instant::now() + self.shared.deadline
    }

    fn check(&self, field: &'static str, key: &str) -> Result<(), Error> {
        let reason = match key.len() {
            0 => KeyFault::Empty,
            length if length > self.shared.max_key_bytes => KeyFault::TooLong {
                length,
                limit: self.shared.max_key_bytes,
            },
            _ => return Ok(()),
        };
        Err(Error::InvalidKey { field, reason })
    }
}
