//! The hosts of a service that a consumer gets.

use std::sync::Arc;

use super::{Endpoint, Instance, Kind, Metadata, Selector, ServiceKey};

/// The clusters that a consumer requests, as it wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clusters(Arc<str>);

/// The rules of a generation of clients for unhealthy instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rules {
    /// As in 1.x: disabled instances count for the protect threshold, and with a threshold of 0 all instances are shown as healthy
    /// if none is healthy. A negative threshold turns this off.
    V1,
    /// As in 2.x and 3.x: a threshold of 0 or less means no protection.
    #[default]
    V2,
}

/// The request of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The clusters whose instances are listed; none selects all.
    pub clusters: Clusters,
    /// Whether unhealthy instances are left out.
    pub healthy_only: bool,
    /// Whether disabled instances are included, as for consoles.
    pub with_disabled: bool,
    /// The rules of the consumer's generation.
    pub rules: Rules,
    /// The labels of the consumer, for services with a [`Selector`].
    pub labels: Option<Arc<Metadata>>,
}

/// An instance as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Where the instance listens.
    pub endpoint: Endpoint,
    /// The kind of the instance.
    pub kind: Kind,
    /// The weight, with the override of an operator.
    pub weight: f64,
    /// Whether the instance takes traffic, with the override of an operator.
    pub enabled: bool,
    /// The health that the consumer sees: true for an unhealthy instance too if the service is protected.
    pub healthy: bool,
    /// The true health.
    pub is_healthy: bool,
    /// The metadata, with the override of an operator.
    pub metadata: Arc<Metadata>,
    /// The id that the client chose, if any.
    pub instance_id: Option<Arc<str>>,
}

/// A service as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceView {
    /// The service.
    pub key: ServiceKey,
    /// Whether the service exists. An unknown one has no hosts.
    pub exists: bool,
    /// Changes with everything that a consumer can see; 0 for an unknown service.
    pub revision: u64,
    /// The requested clusters, to be echoed.
    pub clusters: Clusters,
    /// Ordered by endpoint.
    pub hosts: Vec<Host>,
    /// Whether the service is protected: so few instances are healthy that all are shown as healthy.
    pub reach_protection_threshold: bool,
    /// The share of healthy instances at or below which all are shown as healthy; 0 is off.
    pub protect_threshold: f64,
    /// The metadata of the service.
    pub metadata: Arc<Metadata>,
}

impl Clusters {
    /// The clusters in this comma-separated list; all of them if it is empty. The caller limits its length.
    #[must_use]
    pub fn new(list: &str) -> Self {
        Self(list.into())
    }

    /// The list as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.0
    }

    /// Whether a cluster is in the list.
    #[must_use]
    pub fn contains(&self, cluster: &str) -> bool {
        let mut names = self.0.split(',').map(str::trim).filter(|n| !n.is_empty());
        let mut is_empty = true;
        names.any(|name| {
            is_empty = false;
            name == cluster
        }) || is_empty
    }
}

impl Host {
    fn of(instance: &Instance) -> Self {
        let registered = &instance.registered;
        Self {
            endpoint: registered.endpoint.clone(),
            kind: registered.kind,
            weight: instance.weight(),
            enabled: instance.enabled(),
            healthy: registered.healthy,
            is_healthy: registered.healthy,
            metadata: instance.metadata(),
            instance_id: registered.instance_id.clone(),
        }
    }
}

/// Selects the hosts of a service, in their order. Also returns whether the service is protected: whether the share of healthy
/// instances is at most `threshold`, so that all are shown as healthy.
#[must_use]
pub fn select(
    instances: impl Iterator<Item = Instance>,
    selection: &Selection,
    threshold: f64,
    selector: Option<&Selector>,
) -> (Vec<Host>, bool) {
    let mut hosts: Vec<Host> = instances
        .filter(|i| selection.clusters.contains(&i.registered.endpoint.cluster))
        .map(|instance| Host::of(&instance))
        .collect();
    let is_shown = |host: &Host| host.enabled || selection.with_disabled;
    if selection.rules == Rules::V2 {
        hosts.retain(is_shown);
    }
    if let (Some(selector), Some(consumer)) = (selector, &selection.labels) {
        let matches = |host: &Host| selector.matches(consumer, &host.metadata);
        if hosts.iter().any(matches) {
            hosts.retain(matches);
        }
    }
    let is_protected = is_protected(&hosts, selection.rules, threshold);
    if is_protected {
        hosts.iter_mut().for_each(|host| host.healthy = true);
    }
    hosts.retain(|host| is_shown(host) && (host.healthy || !selection.healthy_only));
    (hosts, is_protected)
}

fn is_protected(hosts: &[Host], rules: Rules, threshold: f64) -> bool {
    let healthy = hosts.iter().filter(|host| host.is_healthy).count();
    if hosts.is_empty() || healthy == hosts.len() {
        return false;
    }
    let at_zero = match rules {
        Rules::V1 => threshold >= 0.0 && healthy == 0,
        Rules::V2 => false,
    };
    at_zero || (threshold > 0.0 && share(healthy, hosts.len()) <= threshold)
}

/// `part` as a share of `all`.
pub(super) fn share(part: usize, all: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    count(part) / count(all)
}
