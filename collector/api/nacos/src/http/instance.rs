//! One instance: register, deregister, update, look up.

use rollcall_catalog::Error;
use rollcall_domain::{
    Timestamp,
    catalog::{Endpoint, Instance, MetadataChange, Override, Patch, Registration, ServiceKey},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Face,
    fault::{At, Fault, Generation},
    metadata, registration,
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::render::{AsMap, grouped, place_id, v2::InstanceJson};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        POST "/v1/ns/instance" Write Always register;
        DELETE "/v1/ns/instance" Write Always deregister;
        PUT "/v1/ns/instance" Write Always update;
        PATCH "/v1/ns/instance" Write Always patch;
        GET "/v1/ns/instance" Read Complete detail;
        ANY "/v1/ns/instance/statuses" ReadKeyed Complete statuses;
        POST "/v2/ns/instance" Write Always register;
        DELETE "/v2/ns/instance" Write Always deregister;
        PUT "/v2/ns/instance" Write Always update;
        PATCH "/v2/ns/instance" Write Always patch;
        GET "/v2/ns/instance" Read Complete detail;
        GET "/v2/ns/instance/statuses/*" ReadKeyed Complete statuses;
        DELETE "/v3/client/ns/instance" Write Always deregister;
        POST "/v3/admin/ns/instance" Write Always register;
        DELETE "/v3/admin/ns/instance" Write Always deregister;
        PUT "/v3/admin/ns/instance" Write Always update;
        PUT "/v3/admin/ns/instance/partial" Write Always patch;
        GET "/v3/admin/ns/instance" Read Complete detail;
        PUT "/v3/console/ns/instance" Write Always update;
    }
    .into()
}

/// Registers an instance. The client at the instance's address is its publisher.
pub(super) async fn register(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let registration = registration::read(face, request, &key)?;
    put(face, request, &key, registration).await
}

async fn put(
    face: &Face,
    request: &Request<'_>,
    key: &ServiceKey,
    registration: Registration,
) -> Reply {
    let publisher = registration.endpoint.publisher();
    let catalog = face.catalog_for(request);
    let registered = catalog.register(&publisher, key, registration).await;
    registered.map_err(|error| Fault::of(error, At::UpdateInstance, key))?;
    Ok(reply::done(request.generation))
}

/// Removes an instance of the kind that the call names, or of either kind if it names none.
async fn deregister(face: &Face, request: &Request<'_>) -> Reply {
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    let kind = registration::kind(face, request);
    // A call that names the kind removes an instance of that kind only.
    let is_named = request.params.loose_flag("ephemeral").is_some();
    if is_named {
        let found = face.catalog.instance(&key, &endpoint, Some(kind));
        if matches!(found, Err(Error::NotFound(_))) {
            return Ok(reply::done(request.generation));
        }
    }
    let removed = face.catalog.deregister(&key, &endpoint, kind).await;
    removed.map_err(|error| Fault::of(error, At::UpdateInstance, &key))?;
    Ok(reply::done(request.generation))
}

/// Sets an operator's override on an instance, with only the values that the call names. As in 1.x, it registers an unknown
/// instance unless the caller is the Java client; such a registration replaces the override of an earlier instance.
async fn update(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.service()?;
    let described = registration::read(face, request, &key)?;
    let endpoint = described.endpoint.clone();
    let is_upsert = request.generation == Generation::V1 && !request.agent().wants_grouped_names();
    let found = match face.catalog.instance(&key, &endpoint, None) {
        Ok(found) => found,
        Err(_missing) if is_upsert => {
            let done = put(face, request, &key, described.clone()).await;
            match face.catalog.instance(&key, &endpoint, Some(described.kind)) {
                Ok(found) if done.is_ok() && found.overridden.is_some() => found,
                _ => return done,
            }
        }
        Err(missing) => {
            return Err(match Fault::of(missing, At::UpdateInstance, &key) {
                Fault::NoInstance if request.generation == Generation::V1 => {
                    Fault::NotExist(datum(&described))
                }
                fault => fault,
            });
        }
    };
    let metadata = metadata::given(&request.params).map(|_| described.metadata);
    let change = metadata.map(|new| match request.generation {
        Generation::V1 => MetadataChange::Replace(new),
        Generation::V2 | Generation::V3 => MetadataChange::Merge(new),
    });
    set(face, request, (&key, &endpoint), &found, change).await
}

/// An instance in the format of 1.4's refusals.
fn datum(described: &Registration) -> String {
    let Endpoint { ip, port, cluster } = &described.endpoint;
    let (weight, healthy) = (described.weight, described.healthy);
    format!("{ip}:{port}:unknown:{cluster}_{weight:?}_{healthy}_false_{cluster}")
}

/// Changes the values that the call names on an existing instance.
async fn patch(face: &Face, request: &Request<'_>) -> Reply {
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    let found = face.catalog.instance(&key, &endpoint, None);
    let found = found.map_err(|error| Fault::of(error, At::Patch, &key))?;
    let metadata = metadata::given(&request.params)
        .map(metadata::parse)
        .transpose()?;
    let change = metadata.map(MetadataChange::Replace);
    let patch = Patch {
        healthy: request.params.loose_flag("healthy"),
        app: request.app()?.map(Into::into),
        ..Patch::default()
    };
    if patch != Patch::default() {
        let kind = Some(found.registered.kind);
        let patched = face.catalog.patch(&key, &endpoint, kind, patch).await;
        patched.map_err(|error| Fault::of(error, At::Patch, &key))?;
    }
    set(face, request, (&key, &endpoint), &found, change).await
}

/// Sets weight, `enabled` and metadata as an override. A call with the registered values removes the override.
async fn set(
    face: &Face,
    request: &Request<'_>,
    (key, endpoint): (&ServiceKey, &Endpoint),
    found: &Instance,
    metadata: Option<MetadataChange>,
) -> Reply {
    let set = Override {
        enabled: registration::enabled(request),
        weight: registration::weight(request)?,
        metadata,
        ..Override::none(Timestamp::from_millis(request.now_millis))
    };
    overlay(face, request, (key, endpoint), found, set).await?;
    Ok(reply::done(request.generation))
}

/// Sets an override on an instance, or removes it if it equals the registered values.
pub(super) async fn overlay(
    face: &Face,
    request: &Request<'_>,
    (key, endpoint): (&ServiceKey, &Endpoint),
    found: &Instance,
    set: Override,
) -> Result<(), Fault> {
    let registered = &found.registered;
    let after = Instance {
        overridden: Some(match &found.overridden {
            Some(before) => before.with(&set).into(),
            None => set.clone().into(),
        }),
        ..found.clone()
    };
    let bytes = after.metadata().bytes();
    if set.metadata.is_some() && bytes > face.settings.max_metadata {
        return Err(Fault::TooLong {
            name: "metadata",
            most: face.settings.max_metadata,
        });
    }
    let is_registered = after.enabled() == registered.enabled
        && after.weight().to_bits() == registered.weight.to_bits()
        && after.metadata() == registered.metadata;
    let done = if is_registered && found.overridden.is_some() {
        face.catalog.clear_override(key, endpoint).await
    } else if is_registered || set.is_empty() {
        Ok(())
    } else {
        let catalog = face.catalog_for(request);
        catalog.set_override(key, endpoint, set).await
    };
    done.map_err(|error| Fault::of(error, At::Patch, key))
}

/// One instance with its true health.
async fn detail(face: &Face, request: &Request<'_>) -> Reply {
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    let found = face.catalog.instance(&key, &endpoint, None);
    let found = found.map_err(|error| match Fault::of(error, At::Detail, &key) {
        Fault::NoMatch if !has_cluster(face, &key, &endpoint.cluster) => Fault::NoInstances {
            cluster: endpoint.cluster.to_string(),
            key: key.clone(),
        },
        fault => fault,
    })?;
    let service = grouped(&key);
    if request.generation == Generation::V3 {
        return Ok(reply::success(&InstanceJson::of_instance(&found, &service)));
    }
    let detail = Detail {
        service: (request.generation == Generation::V1).then_some(&*service),
        service_name: (request.generation == Generation::V2).then_some(&*service),
        ip: &endpoint.ip,
        port: endpoint.port,
        cluster_name: &endpoint.cluster,
        weight: found.weight(),
        healthy: found.registered.healthy,
        instance_id: match &found.registered.instance_id {
            Some(id) => id.to_string(),
            None => place_id(&endpoint.ip, endpoint.port, &endpoint.cluster, &service),
        },
        metadata: AsMap(&found.metadata()),
    };
    Ok(reply::data(request.generation, &detail))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_name: Option<&'a str>,
    ip: &'a str,
    port: u16,
    cluster_name: &'a str,
    weight: f64,
    healthy: bool,
    instance_id: String,
    metadata: AsMap<'a>,
}

fn has_cluster(face: &Face, key: &ServiceKey, cluster: &str) -> bool {
    let instances = face.catalog.instances(key).unwrap_or_default();
    let mut clusters = instances
        .iter()
        .map(|instance| &instance.registered.endpoint.cluster);
    clusters.any(|other| **other == *cluster)
}

/// `ip:port_healthy` of each instance. v2 has the key in the path, and no envelope.
async fn statuses(face: &Face, request: &Request<'_>) -> Reply {
    let key = request.keyed_service()?;
    let instances = face.catalog.instances(&key);
    let instances = instances.map_err(|error| Fault::of(error, At::Statuses, &key))?;
    let ips = instances.iter().map(|instance| {
        let Endpoint { ip, port, .. } = &instance.registered.endpoint;
        format!("{ip}:{port}_{}", instance.registered.healthy)
    });
    Ok(reply::json(&json!({ "ips": ips.collect::<Vec<_>>() })))
}
