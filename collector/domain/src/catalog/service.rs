//! A service: its settings, and its entry in listings.

use std::{collections::BTreeMap, sync::Arc};

use super::{Cluster, Kind, Metadata, Selector, ServiceKey};

/// The settings of a service, from an operator or a client. A service without any has the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The share of healthy instances at which, or below which, all are shown as healthy. 0 is off for 2.x clients, a negative
    /// value for all ([`super::Rules`]).
    pub protect_threshold: f64,
    pub metadata: Arc<Metadata>,
    pub selector: Option<Selector>,
    /// The clusters that an operator configured.
    pub clusters: BTreeMap<Arc<str>, Cluster>,
}

/// A service with all its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDetail {
    pub key: ServiceKey,
    pub revision: u64,
    pub settings: Settings,
    /// Whether it was created explicitly. Then it stays without instances until it is deleted.
    pub is_explicit: bool,
    /// The clusters that are configured or have instances, by name.
    pub clusters: Vec<Cluster>,
    /// The kind of the first instance, if there are instances.
    pub kind: Option<Kind>,
    pub instances: usize,
    pub healthy: usize,
}

/// A service in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub key: ServiceKey,
    pub clusters: usize,
    pub instances: usize,
    pub healthy: usize,
    /// Whether its share of healthy instances is at or below its protect threshold; never without instances.
    pub is_threshold_reached: bool,
    pub metadata: Arc<Metadata>,
}
