//! The handle of the catalog, for faces.

mod admin;
mod connection;
mod instances;
mod listing;
mod members;
mod operator;
mod query;
mod services;
mod subscribe;

use std::{fmt, sync::Arc, time::Duration};

use rollcall_domain::{
    Moment, Timestamp,
    catalog::{self, Held, InstanceRef, Limits, ServiceKey},
};
use rollcall_limits::Peer;

pub use listing::Listed;
pub use query::Body;

use crate::{Error, Exchanged, ProbeCounts, members::state::Members, shared::Shared};

/// All use cases of the catalog, on behalf of one peer or of the collector itself. Cheap to clone.
#[derive(Clone)]
pub struct Catalog(pub(crate) Arc<Shared>, pub(crate) Option<Peer>);

/// The result of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The beat has renewed an existing instance. Carries the interval of the next beat, as the other variants do.
    Renewed(Duration),
    /// The instance was registered from the beat.
    Registered(Duration),
    /// The instance is unknown, and the beat does not describe it: the client must register.
    Unknown(Duration),
    /// The instance was deregistered less than a beat term ago. Nothing was changed, and the client must not register it again.
    Deregistered(Duration),
}

/// A new or removed service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The service became known.
    Appeared(ServiceKey),
    /// The service was removed.
    Vanished(ServiceKey),
}

impl Change {
    /// The service that appeared or vanished.
    #[must_use]
    pub const fn service(&self) -> &ServiceKey {
        match self {
            Self::Appeared(service) | Self::Vanished(service) => service,
        }
    }
}

/// A part of a list, and the length of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The part.
    pub items: Vec<T>,
    /// The number of items in the whole list.
    pub total: usize,
}

/// The numbers of items in the catalog, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services and instances.
    pub registry: catalog::Counts,
    /// Open connections of clients.
    pub connections: usize,
    /// Subscriptions of all clients.
    pub subscriptions: usize,
    /// Clients with a subscription.
    pub subscribers: usize,
    /// Namespaces that operators created.
    pub namespaces: usize,
    /// Probes of persistent instances.
    pub probes: ProbeCounts,
    /// Commits that the store refused since the start, those of the roster included.
    pub failed_commits: u64,
    /// Changes that wait for the store.
    pub waiting_changes: usize,
    /// Bytes of the roster's journal.
    pub journal_bytes: usize,
    /// Services that changed and are pushed at the end of their window.
    pub due_pushes: usize,
    /// What was exchanged with the other collectors.
    pub exchanged: Exchanged,
}

impl Catalog {
    /// A handle for the calls of `peer`, whose services and instances are charged to its share.
    #[must_use]
    pub fn for_peer(&self, peer: Option<Peer>) -> Self {
        Self(Arc::clone(&self.0), peer)
    }

    /// Whether reads are answered. They are refused for a while after a start without a recent roster.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.readiness.is_complete(self.now())
    }

    /// The time until reads are answered; zero if they are.
    #[must_use]
    pub fn complete_in(&self) -> Duration {
        self.0.readiness.complete_in(self.now())
    }

    /// The current counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let subscriptions = self.0.subscriptions.read();
        Counts {
            registry: self.0.registry.read().counts(),
            connections: self.0.connections.len(),
            subscriptions: subscriptions.len(),
            subscribers: subscriptions.subscribers(),
            namespaces: self.0.namespaces.read().len(),
            probes: self.0.probes.counts(),
            due_pushes: self.0.schedule.due(),
            exchanged: self
                .0
                .members
                .as_ref()
                .map_or_else(Exchanged::default, Members::exchanged),
            journal_bytes: self.0.roster.journal_bytes(),
            failed_commits: self.0.writes.failed() + self.0.roster.failed(),
            waiting_changes: self.0.writes.waiting(),
        }
    }

    /// The largest number of services and of bytes that are charged to any one peer. Holds the lock for one part of the peers at a
    /// time.
    #[must_use]
    pub fn largest_shares(&self) -> Held {
        let parts = (0..).map_while(|part| self.0.registry.read().largest_shares_in(part));
        parts.fold(Held::default(), Held::most)
    }

    /// Why the store of the catalog refuses commits, now and after every change; `None` while it accepts them.
    #[must_use]
    pub fn store_problem(&self) -> tokio::sync::watch::Receiver<Option<Arc<str>>> {
        self.0.writes.problem()
    }

    /// The limits of the catalog.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.config.limits
    }

    /// The most changes that may wait for the store.
    #[must_use]
    pub fn write_queue(&self) -> usize {
        self.0.config.write_queue
    }

    /// The most bytes of the roster's journal.
    #[must_use]
    pub fn max_journal(&self) -> usize {
        self.0.config.journal
    }

    /// Notifications of new and removed services. A listener that is too slow misses some and gets
    /// [`tokio::sync::broadcast::error::RecvError::Lagged`]; it then reads [`Catalog::services`] and compares.
    #[must_use]
    pub fn service_changes(&self) -> tokio::sync::broadcast::Receiver<Change> {
        self.0.services.subscribe()
    }

    /// When the last beat of an instance arrived, or when it was registered if that is later ([`Catalog::has_beaten`]); `None` for
    /// instances that need no beats.
    #[must_use]
    pub fn last_beat(&self, instance: InstanceRef) -> Option<Timestamp> {
        let registry = self.0.registry.read();
        // An instance restored from an earlier run has sent no beat to this run.
        if registry.leased(instance).is_none() || registry.is_restored(instance) {
            return None;
        }
        let at = self.0.leases.beaten_at(instance)?;
        Some(self.wall().before(self.now().since(at)))
    }

    /// Whether a beat of an instance arrived since it was last registered.
    #[must_use]
    pub fn has_beaten(&self, instance: InstanceRef) -> bool {
        let registry = self.0.registry.read();
        registry.leased(instance).is_some() && self.0.leases.has_beaten(instance)
    }

    /// The wall time of the catalog's clock.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.0.clock.wall()
    }

    pub(crate) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    fn complete(&self) -> Result<(), Error> {
        if self.is_complete() {
            Ok(())
        } else {
            Err(Error::Loading)
        }
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("counts", &self.counts())
            .finish()
    }
}
