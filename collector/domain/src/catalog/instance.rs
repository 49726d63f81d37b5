//! An instance of a service: its endpoint, and its registered values.

use std::sync::{Arc, LazyLock};

use super::{
    DEFAULT_CLUSTER, InvalidName, Metadata, MetadataChange, Override, Part, Publisher,
    cluster_name, name::check,
};

static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| DEFAULT_CLUSTER.into());

/// The endpoint of an instance within its service. Ordered by ip (as text), port, cluster, which is the order of every list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// As the publisher wrote it: an address or a host name.
    pub ip: Arc<str>,
    /// The port.
    pub port: u16,
    /// The cluster within the service.
    pub cluster: Arc<str>,
}

/// The kind of an instance. A service may have instances of both kinds, even at the same endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Ends with its publisher.
    Ephemeral,
    /// Ends when it is deregistered; probes judge its health.
    Persistent,
}

/// The registered values of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Where the instance listens.
    pub endpoint: Endpoint,
    /// Whether the instance lives as long as its client, or until it is deregistered.
    pub kind: Kind,
    /// Its share of the load, 0 to 10,000, not rounded.
    pub weight: f64,
    /// Whether it takes traffic.
    pub enabled: bool,
    /// The initial health. An existing persistent instance keeps the health that its probe found.
    pub healthy: bool,
    /// The metadata that the client attached to the instance.
    pub metadata: Arc<Metadata>,
    /// An id that the client chose; without one the faces build it from the endpoint.
    pub instance_id: Option<Arc<str>>,
    /// The application that the client names, if any.
    pub app: Option<Arc<str>>,
}

/// A change of the registered values; `None` leaves a value unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// A new weight.
    pub weight: Option<f64>,
    /// Whether the instance takes traffic.
    pub enabled: Option<bool>,
    /// A new health.
    pub healthy: Option<bool>,
    /// A change of the metadata.
    pub metadata: Option<MetadataChange>,
    /// A new application.
    pub app: Option<Arc<str>>,
}

/// A reference to an instance in the catalog's memory. A later instance in the same slot has another generation, so a reference
/// to a removed instance resolves to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceRef {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl InstanceRef {
    /// Its slot, which later instances reuse.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.index
    }
}

/// An instance with its true state: the registered values, and the override of an operator.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Identifies the instance as long as it exists.
    pub reference: InstanceRef,
    /// The registered values; `healthy` is the current, true health.
    pub registered: Registration,
    /// The owner of the instance.
    pub publisher: Publisher,
    /// The override of an operator, which takes precedence.
    pub overridden: Option<Arc<Override>>,
}

impl Endpoint {
    /// The endpoint at this address; an empty cluster is [`DEFAULT_CLUSTER`].
    ///
    /// # Errors
    /// The ip is empty, or ip or cluster is too long or contains whitespace or control characters.
    pub fn new(ip: &str, port: u16, cluster: &str) -> Result<Self, InvalidName> {
        check(Part::Ip, ip)?;
        let cluster = cluster_name(cluster)?;
        Ok(Self {
            ip: ip.into(),
            port,
            cluster: if cluster == DEFAULT_CLUSTER {
                Arc::clone(&DEFAULT)
            } else {
                cluster.into()
            },
        })
    }

    /// The publisher that represents HTTP clients at this endpoint.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::Address {
            ip: Arc::clone(&self.ip),
            port: self.port,
        }
    }
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Ephemeral, Self::Persistent];

    /// The kind of an instance with this `ephemeral` flag.
    #[must_use]
    pub const fn of(ephemeral: bool) -> Self {
        if ephemeral {
            Self::Ephemeral
        } else {
            Self::Persistent
        }
    }

    /// Whether it is [`Kind::Ephemeral`].
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral)
    }
}

impl Registration {
    /// A healthy, enabled instance with weight 1 and no metadata.
    #[must_use]
    pub fn new(endpoint: Endpoint, kind: Kind) -> Self {
        Self {
            endpoint,
            kind,
            weight: 1.0,
            enabled: true,
            healthy: true,
            metadata: Arc::default(),
            instance_id: None,
            app: None,
        }
    }

    /// The registered values after a change.
    #[must_use]
    pub fn patched(mut self, patch: &Patch) -> Self {
        self.weight = patch.weight.unwrap_or(self.weight);
        self.enabled = patch.enabled.unwrap_or(self.enabled);
        self.healthy = patch.healthy.unwrap_or(self.healthy);
        if let Some(change) = &patch.metadata {
            self.metadata = self.metadata.changed(change);
        }
        if let Some(app) = &patch.app {
            self.app = Some(Arc::clone(app));
        }
        self
    }
}

impl Instance {
    /// The weight that consumers see.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let set = self.overridden.as_ref().and_then(|o| o.weight);
        set.unwrap_or(self.registered.weight)
    }

    /// Whether consumers see it enabled.
    #[must_use]
    pub fn enabled(&self) -> bool {
        let set = self.overridden.as_ref().and_then(|o| o.enabled);
        set.unwrap_or(self.registered.enabled)
    }

    /// The metadata that consumers see.
    #[must_use]
    pub fn metadata(&self) -> Arc<Metadata> {
        let registered = &self.registered.metadata;
        match self.overridden.as_ref().and_then(|o| o.metadata.as_ref()) {
            Some(change) => registered.changed(change),
            None => Arc::clone(registered),
        }
    }
}
