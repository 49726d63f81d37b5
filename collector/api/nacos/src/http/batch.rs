//! Metadata of several instances at once.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use rollcall_domain::{
    Timestamp,
    catalog::{
        DEFAULT_CLUSTER, Endpoint, Instance, Kind, Metadata, MetadataChange, Override, ServiceKey,
    },
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Face,
    fault::{Fault, Generation},
    instance, metadata,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};

/// The longest list of instances, in bytes.
const MAX_NAMED: usize = 256 << 10;
/// Instances that one call changes; the rest of a longer list is left out.
const MAX_INSTANCES: usize = 1_000;
/// Concurrent changes of one call: small compared with the default of `nacos.default.write_queue`.
const CHANGES_AT_ONCE: usize = 256;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        PUT "/v1/ns/instance/metadata/batch" Write Complete merge;
        DELETE "/v1/ns/instance/metadata/batch" Write Complete remove;
        PUT "/v2/ns/instance/metadata/batch" Write Complete merge;
        DELETE "/v2/ns/instance/metadata/batch" Write Complete remove;
        PUT "/v3/admin/ns/instance/metadata/batch" Write Complete merge;
        DELETE "/v3/admin/ns/instance/metadata/batch" Write Complete remove;
    }
    .into()
}

/// An instance that a call names.
#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    ip: String,
    port: u16,
    #[serde(default = "yes")]
    ephemeral: bool,
    #[serde(default = "default_cluster")]
    cluster_name: String,
}

const fn yes() -> bool {
    true
}

fn default_cluster() -> String {
    DEFAULT_CLUSTER.to_owned()
}

/// Adds metadata entries, and replaces those with the same key.
async fn merge(face: &Face, request: &Request<'_>) -> Reply {
    change(face, request, |_, entries| {
        MetadataChange::Merge(entries.clone().into())
    })
    .await
}

/// Removes the entries with these keys, whatever their values.
async fn remove(face: &Face, request: &Request<'_>) -> Reply {
    change(face, request, |instance, keys| {
        let present = instance.metadata();
        let kept = present.iter().filter(|(key, _)| keys.get(key).is_none());
        MetadataChange::Replace(kept.collect::<Metadata>().into())
    })
    .await
}

async fn change(
    face: &Face,
    request: &Request<'_>,
    change: impl Fn(&Instance, &Metadata) -> MetadataChange + Send,
) -> Reply {
    let key = request.service()?;
    let entries = metadata::parse(request.params.required("metadata")?)?;
    let mut updated = Vec::new();
    let chosen = chosen(face, request, &key)?;
    // The changes of one part share commits. The size of a part keeps one call from filling the write queue.
    for part in chosen.chunks(CHANGES_AT_ONCE) {
        let changes = part.iter().map(|found| {
            let set = Override {
                metadata: Some(change(found, &entries)),
                ..Override::none(Timestamp::from_millis(request.now_millis))
            };
            let at = (&key, &found.registered.endpoint);
            instance::overlay(face, request, at, found, set)
        });
        try_join_all(changes).await?;
    }
    for found in &chosen {
        let endpoint = &found.registered.endpoint;
        let kind = if found.registered.kind.is_ephemeral() {
            "ephemeral"
        } else {
            "persist"
        };
        updated.push(format!(
            "{}:{}:unknown:{}:{kind}",
            endpoint.ip, endpoint.port, endpoint.cluster
        ));
    }
    Ok(reply::data(
        request.generation,
        &json!({ "updated": updated }),
    ))
}

/// The instances that a call selects: all of a kind, or a list. In v1, as in 1.4, a kind takes precedence over a list.
fn chosen(face: &Face, request: &Request<'_>, key: &ServiceKey) -> Result<Vec<Instance>, Fault> {
    let Ok(mut instances) = face.catalog.instances(key) else {
        return Ok(Vec::new());
    };
    let kind = match request.params.text("consistencyType") {
        "" => None,
        kind => Some(Kind::of(kind.eq_ignore_ascii_case("ephemeral"))),
    };
    let named = request.params.short("instances", MAX_NAMED)?;
    let is_all = kind.is_some() && (named.is_empty() || request.generation == Generation::V1);
    let named: HashSet<Named> = if is_all || named.is_empty() {
        HashSet::new()
    } else {
        match serde_json::from_str(named) {
            Ok(named) => named,
            // As in the reference, nothing is updated.
            Err(_garbage) => return Ok(Vec::new()),
        }
    };
    instances.retain(|instance| {
        let registered = &instance.registered;
        let is_kind = kind.is_none_or(|kind| kind == registered.kind);
        is_kind && (is_all || named.contains(&Named::of(instance)))
    });
    instances.truncate(MAX_INSTANCES);
    Ok(instances)
}

impl Named {
    /// The form in which a call names this instance.
    fn of(instance: &Instance) -> Self {
        let Endpoint { ip, port, cluster } = &instance.registered.endpoint;
        Self {
            ip: ip.to_string(),
            port: *port,
            ephemeral: instance.registered.kind.is_ephemeral(),
            cluster_name: cluster.to_string(),
        }
    }
}
