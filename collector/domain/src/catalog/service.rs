//! A service: its settings, and its entry in listings.

use std::{collections::BTreeMap, sync::Arc};

use super::{Cluster, Kind, Metadata, Selector, ServiceKey};

/// The settings of a service, from an operator or a client. A service without any has the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The share of healthy instances at which, or below which, all are shown as healthy. 0 turns this off for 2.x and 3.x
    /// clients, and a negative value turns it off for all clients ([`super::Rules`]).
    pub protect_threshold: f64,
    /// What operators or clients attached to the service.
    pub metadata: Arc<Metadata>,
    /// Selects the instances that a consumer sees, by labels.
    pub selector: Option<Selector>,
    /// The clusters that an operator configured.
    pub clusters: BTreeMap<Arc<str>, Cluster>,
}

/// A service with all its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDetail {
    /// The service.
    pub key: ServiceKey,
    /// Changes with everything that a consumer can see.
    pub revision: u64,
    /// The settings that operators or clients made.
    pub settings: Settings,
    /// Whether the service was created explicitly. Such a service stays until it is deleted, even without instances.
    pub is_explicit: bool,
    /// The clusters that are configured or have instances, by name.
    pub clusters: Vec<Cluster>,
    /// The kind of the first instance, if there are instances.
    pub kind: Option<Kind>,
    /// Instances of both kinds.
    pub instances: usize,
    /// Healthy instances.
    pub healthy: usize,
}

/// A service in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The service.
    pub key: ServiceKey,
    /// Clusters that have instances or settings.
    pub clusters: usize,
    /// Instances of both kinds.
    pub instances: usize,
    /// Healthy instances.
    pub healthy: usize,
    /// Whether its share of healthy instances is at or below its protect threshold; `false` without instances.
    pub is_threshold_reached: bool,
    /// What operators or clients attached to the service.
    pub metadata: Arc<Metadata>,
}

/// The numbers of instances of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Instances of both kinds.
    pub instances: usize,
    /// Healthy instances.
    pub healthy: usize,
}
