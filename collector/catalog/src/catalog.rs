//! The handle that faces hold.

mod admin;
mod connection;
mod instances;
mod operator;
mod query;
mod services;
mod subscribe;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rollcall_domain::{
    Moment, Timestamp,
    catalog::{self, InstanceRef, Limits, ServiceKey},
};

pub use query::Body;

use crate::{Error, ProbeCounts, shared::Shared};

/// All use cases of the catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog(pub(crate) Arc<Shared>);

/// What became of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The instance is known; it is healthy now if beats decide that. The client is to beat again after this long.
    Renewed(Duration),
    /// The instance was registered from the beat.
    Registered(Duration),
    /// The instance is not known, and the beat does not describe it: the client is to register.
    Unknown(Duration),
    /// The instance was deregistered less than a beat term ago: nothing was changed, and the client is not to register.
    Deregistered(Duration),
}

/// A service that became known, or is not known any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Appeared(ServiceKey),
    Vanished(ServiceKey),
}

/// Part of a list, and how long the whole is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub total: usize,
}

/// How much the catalog holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub registry: catalog::Counts,
    pub connections: usize,
    pub subscriptions: usize,
    pub subscribers: usize,
    pub namespaces: usize,
    pub probes: ProbeCounts,
    /// Commits that the store refused since the start.
    pub failed_commits: u64,
    /// Changes that wait for the store.
    pub waiting_changes: usize,
    /// Services that changed and are to be pushed at the end of their window.
    pub due_pushes: usize,
}

impl Catalog {
    /// Whether reads are answered. For a while after a start they are not: the instances of the last run are coming back.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.readiness.is_complete(self.now())
    }

    /// How much the catalog holds.
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
            failed_commits: self.0.failed_commits.load(Relaxed),
            waiting_changes: self
                .0
                .config
                .write_queue
                .saturating_sub(self.0.writes.capacity()),
        }
    }

    /// The most that the catalog holds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.config.limits
    }

    /// Changes that may wait for the store.
    #[must_use]
    pub fn write_queue(&self) -> usize {
        self.0.config.write_queue
    }

    /// Services that appear and vanish from now on. A listener that is slow misses some, learns that
    /// ([`tokio::sync::broadcast::error::RecvError::Lagged`]), and compares with [`Catalog::services`] then.
    #[must_use]
    pub fn service_changes(&self) -> tokio::sync::broadcast::Receiver<Change> {
        self.0.services.subscribe()
    }

    /// When the last beat of an instance came; `None` for instances that beats do not keep alive.
    #[must_use]
    pub fn last_beat(&self, instance: InstanceRef) -> Option<Timestamp> {
        // One that an earlier run left has not beaten to this one.
        if self.0.registry.read().is_restored(instance) {
            return None;
        }
        let at = self.0.leases.beaten_at(instance)?;
        Some(self.wall().before(self.now().since(at)))
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
