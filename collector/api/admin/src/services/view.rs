//! The JSON of the Nacos services.

use std::{collections::BTreeMap, sync::Arc};

use rollcall_catalog::{
    self as catalog, Catalog, ServiceKey, Subscription,
    domain::{self, Metadata, MetadataChange, Override, Publisher, ServiceDetail, Summary},
};
use serde::{Serialize, Serializer};

use crate::view;

#[derive(Serialize)]
pub(super) struct Namespace<'a> {
    id: &'a str,
    name: &'a str,
    services: usize,
}

#[derive(Serialize)]
pub(super) struct Service<'a> {
    #[serde(flatten)]
    name: Name<'a>,
    instances: usize,
    healthy: usize,
    clusters: usize,
    /// Whether so few instances are healthy that clients see all of them as healthy.
    protected: bool,
}

#[derive(Serialize)]
struct Name<'a> {
    namespace: &'a str,
    group: &'a str,
    service: &'a str,
}

#[derive(Serialize)]
pub(super) struct Detail<'a> {
    #[serde(flatten)]
    service: Service<'a>,
    revision: u64,
    protect_threshold: f64,
    /// Whether it was created as a service and stays without instances.
    explicit: bool,
    metadata: Entries<'a>,
    cluster_names: Vec<&'a str>,
}

/// An instance with its true state.
#[derive(Serialize)]
pub(super) struct Instance<'a> {
    ip: &'a str,
    port: u16,
    cluster: &'a str,
    ephemeral: bool,
    healthy: bool,
    enabled: bool,
    weight: f64,
    metadata: Map,
    /// The publisher, which keeps the instance registered.
    publisher: String,
    /// The client behind the publisher; `null` if it has no connection.
    client: Option<String>,
    /// The last beat, or the registration if that is later; `null` for an instance that needs no beats.
    last_beat_at: Option<String>,
    /// Whether a beat arrived since the registration.
    has_beaten: bool,
    registered: Registered<'a>,
    /// `null` if no operator set anything.
    #[serde(rename = "override")]
    overridden: Option<Set<'a>>,
}

#[derive(Serialize)]
struct Registered<'a> {
    enabled: bool,
    weight: f64,
    metadata: Entries<'a>,
}

#[derive(Serialize)]
struct Set<'a> {
    enabled: Option<bool>,
    weight: Option<f64>,
    metadata: Option<Entries<'a>>,
    /// The effect of `metadata` on the registered entries: `merge`, `replace` or `remove`; `null` without `metadata`.
    metadata_change: Option<&'static str>,
    set_at: String,
}

/// An instance as a client receives it.
#[derive(Serialize)]
pub(super) struct Host<'a> {
    ip: &'a str,
    port: u16,
    cluster: &'a str,
    ephemeral: bool,
    healthy: bool,
    truly_healthy: bool,
    enabled: bool,
    weight: f64,
    metadata: Entries<'a>,
}

#[derive(Serialize)]
pub(super) struct Subscriber {
    /// `grpc`, `udp` or `poll`.
    kind: &'static str,
    client: String,
    address: String,
    agent: Arc<str>,
    application: Arc<str>,
    /// Empty: all.
    clusters: String,
}

/// Metadata as an object.
struct Entries<'a>(&'a Metadata);

/// As [`Entries`], for metadata that this answer owns.
struct Map(Arc<Metadata>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl<'a> Namespace<'a> {
    pub(super) fn of(namespace: &'a catalog::Namespace, services: usize) -> Self {
        Self {
            id: &namespace.id,
            name: &namespace.name,
            services,
        }
    }
}

impl<'a> Name<'a> {
    fn of(key: &'a ServiceKey) -> Self {
        Self {
            namespace: key.namespace(),
            group: key.group(),
            service: key.name(),
        }
    }
}

impl<'a> Service<'a> {
    pub(super) fn of(summary: &'a Summary) -> Self {
        Self {
            name: Name::of(&summary.key),
            instances: summary.instances,
            healthy: summary.healthy,
            clusters: summary.clusters,
            protected: summary.is_threshold_reached,
        }
    }
}

impl<'a> Detail<'a> {
    pub(super) fn of(detail: &'a ServiceDetail, summary: &'a Summary) -> Self {
        Self {
            service: Service::of(summary),
            revision: detail.revision,
            protect_threshold: detail.settings.protect_threshold,
            explicit: detail.is_explicit,
            metadata: Entries(&detail.settings.metadata),
            cluster_names: detail.clusters.iter().map(|it| &*it.name).collect(),
        }
    }
}

impl<'a> Instance<'a> {
    pub(super) fn of(catalog: &Catalog, instance: &'a domain::Instance) -> Self {
        let registered = &instance.registered;
        let client = match instance.publisher {
            Publisher::Connection(id) => catalog.connection(id).map(|it| client(&it)),
            _ => None,
        };
        Self {
            ip: &registered.endpoint.ip,
            port: registered.endpoint.port,
            cluster: &registered.endpoint.cluster,
            ephemeral: registered.kind.is_ephemeral(),
            healthy: registered.healthy,
            enabled: instance.enabled(),
            weight: instance.weight(),
            metadata: Map(instance.metadata()),
            publisher: instance.publisher.to_string(),
            client,
            last_beat_at: catalog.last_beat(instance.reference).map(view::time),
            has_beaten: catalog.has_beaten(instance.reference),
            registered: Registered {
                enabled: registered.enabled,
                weight: registered.weight,
                metadata: Entries(&registered.metadata),
            },
            overridden: instance.overridden.as_deref().map(Set::of),
        }
    }
}

impl<'a> Set<'a> {
    fn of(set: &'a Override) -> Self {
        let change = set.metadata.as_ref().map(|change| match change {
            MetadataChange::Merge(entries) => (Entries(entries), "merge"),
            MetadataChange::Replace(entries) => (Entries(entries), "replace"),
            MetadataChange::Remove(entries) => (Entries(entries), "remove"),
        });
        let (metadata, metadata_change) = change.unzip();
        Self {
            enabled: set.enabled,
            weight: set.weight,
            metadata,
            metadata_change,
            set_at: view::time(set.set_at),
        }
    }
}

impl<'a> Host<'a> {
    pub(super) fn of(host: &'a domain::Host) -> Self {
        Self {
            ip: &host.endpoint.ip,
            port: host.endpoint.port,
            cluster: &host.endpoint.cluster,
            ephemeral: host.kind.is_ephemeral(),
            healthy: host.healthy,
            truly_healthy: host.is_healthy,
            enabled: host.enabled,
            weight: host.weight,
            metadata: Entries(&host.metadata),
        }
    }
}

impl Subscriber {
    pub(super) fn of(catalog: &Catalog, subscription: &Subscription) -> Self {
        let (kind, name, address) = match &subscription.subscriber {
            domain::Subscriber::Connection(id) => {
                let connection = catalog.connection(*id);
                let name = connection.as_ref().map(|it| it.client_id.to_string());
                let address = connection.map(|it| format!("{}:{}", it.ip, it.port));
                let name = name.unwrap_or_else(|| format!("connection {id}"));
                ("grpc", name, address.unwrap_or_default())
            }
            domain::Subscriber::Udp { ip, port } => ("udp", ip.to_string(), format!("{ip}:{port}")),
            domain::Subscriber::Poller { ip } => ("poll", ip.to_string(), ip.to_string()),
        };
        Self {
            kind,
            client: name,
            address,
            agent: Arc::clone(&subscription.agent),
            application: Arc::clone(&subscription.app),
            clusters: subscription.clusters.as_str().to_owned(),
        }
    }
}

/// A client for people: its version and address, and its application if it names one.
fn client(connection: &catalog::Connection) -> String {
    let catalog::Connection {
        ip,
        port,
        version,
        app,
        ..
    } = connection;
    let app = match &**app {
        "" | "unknown" | "-" => String::new(),
        app => format!(" ({app})"),
    };
    format!("{version} at {ip}:{port}{app}")
}

/// The entries of a request, as metadata.
pub(super) fn metadata(entries: BTreeMap<String, String>) -> Arc<Metadata> {
    Arc::new(entries.into_iter().collect())
}
