//! Metadata of several instances at once.

use rollcall_domain::{
    Timestamp,
    catalog::{DEFAULT_CLUSTER, Instance, Kind, Metadata, MetadataChange, Override, ServiceKey},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Face,
    asked::Asked,
    fault::{Fault, Generation},
    instance, metadata,
    reply::{self, Reply},
    routes::{Route, routes},
};

/// Instances that one call changes; the rest of a longer list is left out.
const MAX_INSTANCES: usize = 1_000;

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
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    ip: String,
    port: u16,
    #[serde(default = "yes")]
    ephemeral: bool,
    #[serde(default)]
    cluster_name: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Adds entries, and replaces those with the same key.
async fn merge(face: &Face, asked: &Asked<'_>) -> Reply {
    change(face, asked, |_, entries| {
        MetadataChange::Merge(entries.clone().into())
    })
    .await
}

/// Removes the entries with these keys, whatever their values.
async fn remove(face: &Face, asked: &Asked<'_>) -> Reply {
    change(face, asked, |instance, keys| {
        let present = instance.metadata();
        let kept = present.iter().filter(|(key, _)| keys.get(key).is_none());
        MetadataChange::Replace(kept.collect::<Metadata>().into())
    })
    .await
}

async fn change(
    face: &Face,
    asked: &Asked<'_>,
    change: impl Fn(&Instance, &Metadata) -> MetadataChange + Send,
) -> Reply {
    let key = asked.service()?;
    let entries = metadata::parse(asked.params.required("metadata")?)?;
    let mut updated = Vec::new();
    for found in chosen(face, asked, &key)? {
        let endpoint = &found.registered.endpoint;
        let set = Override {
            metadata: Some(change(&found, &entries)),
            ..Override::none(Timestamp::from_millis(asked.now_millis))
        };
        instance::overlay(face, &key, endpoint, &found, set).await?;
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
        asked.generation,
        &json!({ "updated": updated }),
    ))
}

/// The instances that a call means: all of a kind, or those it names. 1.4 leaves the names out where there is a kind.
fn chosen(face: &Face, asked: &Asked<'_>, key: &ServiceKey) -> Result<Vec<Instance>, Fault> {
    let Ok(mut instances) = face.catalog.instances(key) else {
        return Ok(Vec::new());
    };
    let kind = match asked.params.text("consistencyType") {
        "" => None,
        kind => Some(Kind::of(kind.eq_ignore_ascii_case("ephemeral"))),
    };
    let named = asked.params.text("instances");
    let is_all = kind.is_some() && (named.is_empty() || asked.generation == Generation::V1);
    let named: Vec<Named> = if is_all || named.is_empty() {
        Vec::new()
    } else {
        match serde_json::from_str(named) {
            Ok(named) => named,
            // As the reference: nothing was updated.
            Err(_garbage) => return Ok(Vec::new()),
        }
    };
    instances.retain(|instance| {
        let registered = &instance.registered;
        let is_kind = kind.is_none_or(|kind| kind == registered.kind);
        is_kind && (is_all || named.iter().any(|named| named.is(instance)))
    });
    instances.truncate(MAX_INSTANCES);
    Ok(instances)
}

impl Named {
    fn is(&self, instance: &Instance) -> bool {
        let endpoint = &instance.registered.endpoint;
        let cluster = self.cluster_name.as_deref().unwrap_or(DEFAULT_CLUSTER);
        *endpoint.ip == *self.ip
            && endpoint.port == self.port
            && *endpoint.cluster == *cluster
            && instance.registered.kind == Kind::of(self.ephemeral)
    }
}
