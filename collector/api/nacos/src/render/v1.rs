//! Lists in the format of 1.4, for answers and pushes.

use std::{
    hash::{DefaultHasher, Hasher as _},
    io::Write as _,
};

use rollcall_domain::catalog::{Host, ServiceView};
use serde::Serialize;

use super::{AsMap, grouped, instance_id};

/// The part of a list that belongs to one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest<'a> {
    /// The time until the client polls again, in milliseconds.
    pub(crate) cache_millis: u64,
    /// When the list was read, in milliseconds since 1970.
    pub(crate) now_millis: i64,
    /// The parameter `env`, echoed.
    pub(crate) env: &'a str,
}

#[derive(Serialize)]
struct HostJson<'a> {
    ip: &'a str,
    port: u16,
    valid: bool,
    healthy: bool,
    marked: bool,
    #[serde(rename = "instanceId")]
    instance_id: String,
    metadata: AsMap<'a>,
    enabled: bool,
    weight: f64,
    #[serde(rename = "clusterName")]
    cluster_name: &'a str,
    #[serde(rename = "serviceName")]
    service_name: &'a str,
    ephemeral: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    hosts: Vec<HostJson<'a>>,
    dom: &'a str,
    name: &'a str,
    #[serde(rename = "useSpecifiedURL")]
    use_specified_url: bool,
    clusters: &'a str,
    /// Omitted if false: 1.4 does not have this key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reach_protection_threshold: bool,
    metadata: AsMap<'a>,
}

/// The part of an existing service's list that is the same for all calls until the service changes. It lacks the last keys,
/// which are in [`Rest`], and the closing brace. With `is_grouped`, services are named with their group.
pub(crate) fn head(view: &ServiceView, is_grouped: bool) -> Vec<u8> {
    let name = grouped(&view.key);
    let service = if is_grouped { &*name } else { view.key.name() };
    let hosts = view.hosts.iter();
    let head = Head {
        hosts: hosts
            .map(|host| HostJson::of(host, service, &name))
            .collect(),
        dom: service,
        name: &name,
        use_specified_url: false,
        clusters: view.clusters.as_str(),
        reach_protection_threshold: view.reach_protection_threshold,
        metadata: AsMap(&view.metadata),
    };
    let mut json = serde_json::to_vec(&head).unwrap_or_default();
    json.pop(); // the closing brace
    let checksum = checksum(&json);
    let written = write!(json, r#","checksum":"{checksum:032x}""#);
    debug_assert!(written.is_ok(), "writing into memory does not fail");
    json
}

/// The rest of a list, which follows its [`head`].
pub(crate) fn rest(rest: Rest<'_>) -> Vec<u8> {
    let Rest {
        cache_millis,
        now_millis,
        env,
    } = rest;
    let mut json = Vec::with_capacity(env.len() + 96);
    let written = write!(
        json,
        r#","cacheMillis":{cache_millis},"lastRefTime":{now_millis},"env":"#
    );
    let encoded = serde_json::to_writer(&mut json, env);
    debug_assert!(written.is_ok() && encoded.is_ok());
    json.push(b'}');
    json
}

impl<'a> HostJson<'a> {
    fn of(host: &'a Host, service_name: &'a str, grouped: &str) -> Self {
        Self {
            ip: &host.endpoint.ip,
            port: host.endpoint.port,
            valid: host.healthy,
            healthy: host.healthy,
            marked: false,
            instance_id: instance_id(host, grouped),
            metadata: AsMap(&host.metadata),
            enabled: host.enabled,
            weight: host.weight,
            cluster_name: &host.endpoint.cluster,
            service_name,
            ephemeral: host.kind.is_ephemeral(),
        }
    }
}

/// The answer for an unknown service: fewer keys, as in 1.4.
pub(crate) fn empty(name: &str, clusters: &str, cache_millis: u64) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Empty<'a> {
        name: &'a str,
        clusters: &'a str,
        cache_millis: u64,
        hosts: [(); 0],
    }
    serde_json::to_vec(&Empty {
        name,
        clusters,
        cache_millis,
        hosts: [],
    })
    .unwrap_or_default()
}

/// A digest of a list that is the same on every collector. Clients display it and do not verify it.
fn checksum(json: &[u8]) -> u128 {
    let mut hasher = DefaultHasher::new();
    hasher.write(json);
    let low = hasher.finish();
    hasher.write_u8(1);
    u128::from(hasher.finish()) << 64 | u128::from(low)
}
