//! Instances and lists in the format of 2.x and 3.x.

use std::sync::Arc;

use rollcall_domain::catalog::{Endpoint, Host, Instance, Metadata, ServiceView};
use serde::{Serialize, Serializer};

use super::{AsMap, Terms, grouped, instance_id, place_id};

/// The metadata key that chooses how the id of an instance is built.
const ID_GENERATOR: &str = "preserved.instance.id.generator";
/// The interval of a client's polls, in milliseconds.
const CACHE_MILLIS: u32 = 10_000;

/// An instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceJson<'a> {
    instance_id: String,
    ip: &'a str,
    port: u16,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster_name: &'a str,
    service_name: &'a str,
    metadata: Shared,
    instance_heart_beat_interval: u64,
    instance_heart_beat_time_out: u64,
    ip_delete_timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id_generator: Option<String>,
}

#[derive(Debug)]
struct Shared(Arc<Metadata>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AsMap(&self.0).serialize(serializer)
    }
}

/// A service with its instances, without the time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    name: &'a str,
    group_name: &'a str,
    clusters: &'a str,
    cache_millis: u32,
    hosts: Vec<InstanceJson<'a>>,
    checksum: &'static str,
    #[serde(rename = "allIPs")]
    all_ips: bool,
    reach_protection_threshold: bool,
    valid: bool,
}

impl<'a> InstanceJson<'a> {
    /// An instance of the service `grouped`, with the health that consumers see.
    pub(crate) fn of(host: &'a Host, grouped: &'a str) -> Self {
        let metadata = Arc::clone(&host.metadata);
        Self {
            instance_id: instance_id(host, grouped),
            weight: host.weight,
            healthy: host.healthy,
            enabled: host.enabled,
            ephemeral: host.kind.is_ephemeral(),
            ..Self::at(&host.endpoint, metadata, grouped)
        }
    }

    /// As [`InstanceJson::of`], with the true health.
    pub(crate) fn of_instance(instance: &'a Instance, grouped: &'a str) -> Self {
        let registered = &instance.registered;
        let Endpoint { ip, port, cluster } = &registered.endpoint;
        Self {
            instance_id: match &registered.instance_id {
                Some(id) => id.to_string(),
                None => place_id(ip, *port, cluster, grouped),
            },
            weight: instance.weight(),
            healthy: registered.healthy,
            enabled: instance.enabled(),
            ephemeral: registered.kind.is_ephemeral(),
            ..Self::at(&registered.endpoint, instance.metadata(), grouped)
        }
    }

    fn at(endpoint: &'a Endpoint, metadata: Arc<Metadata>, grouped: &'a str) -> Self {
        let terms = Terms::of(&metadata);
        let generator = metadata.get(ID_GENERATOR);
        Self {
            instance_id: String::new(),
            ip: &endpoint.ip,
            port: endpoint.port,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster_name: &endpoint.cluster,
            service_name: grouped,
            instance_heart_beat_interval: terms.interval,
            instance_heart_beat_time_out: terms.unhealthy_after,
            ip_delete_timeout: terms.removed_after,
            // The reference omits the key if there is other metadata.
            instance_id_generator: generator
                .or_else(|| metadata.is_empty().then_some("simple"))
                .map(str::to_owned),
            metadata: Shared(metadata),
        }
    }
}

/// The instances of a view.
pub(crate) fn hosts<'a>(view: &'a ServiceView, grouped: &'a str) -> Vec<InstanceJson<'a>> {
    let hosts = view.hosts.iter();
    hosts.map(|host| InstanceJson::of(host, grouped)).collect()
}

/// The answer with a view, in two parts, between which the time is written, in milliseconds since 1970.
pub(crate) fn info(view: &ServiceView) -> (Vec<u8>, &'static [u8]) {
    let name = grouped(&view.key);
    let info = Info {
        name: &name,
        group_name: view.key.group(),
        clusters: view.clusters.as_str(),
        cache_millis: CACHE_MILLIS,
        hosts: hosts(view, &name),
        checksum: "",
        all_ips: false,
        reach_protection_threshold: view.reach_protection_threshold,
        valid: true,
    };
    let mut json = br#"{"code":0,"message":"success","data":"#.to_vec();
    let encoded = serde_json::to_writer(&mut json, &info);
    debug_assert!(encoded.is_ok(), "writing into memory does not fail");
    json.pop(); // the closing brace, which is in the second part
    json.extend_from_slice(br#","lastRefTime":"#);
    (json, b"}}")
}
