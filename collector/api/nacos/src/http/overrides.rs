//! The settings of operators on instances, in the form of the v3 admin API. The reference has no such calls: there an override
//! stays until its instance has been gone for a minute.

use rollcall_domain::catalog::{Endpoint, MetadataChange, Override};
use serde::Serialize;

use super::{
    Face,
    fault::{At, Fault},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};
use crate::render::AsMap;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v3/admin/ns/instance/override/list" Read Always list;
        DELETE "/v3/admin/ns/instance/override" Write Always remove;
    }
    .into()
}

/// An override, with the values that it sets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    ip: &'a str,
    port: u16,
    cluster_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<AsMap<'a>>,
    /// The effect of `metadata` on the registered entries: `merge`, `replace` or `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_change: Option<&'static str>,
    /// Milliseconds since 1970.
    set_at: i64,
    /// Whether there is an instance at the endpoint. Without one the override ends after `nacos.default.override_term`.
    has_instance: bool,
}

/// The overrides of a service, by endpoint.
async fn list(face: &Face, request: &Request<'_>) -> Reply {
    let overrides = face.catalog.overrides(&request.service()?);
    let shown: Vec<_> = overrides.iter().map(|(at, set)| shown(at, set)).collect();
    Ok(reply::success(&shown))
}

fn shown<'a>(at: &'a Endpoint, set: &'a Override) -> Shown<'a> {
    let change = set.metadata.as_ref().map(|change| match change {
        MetadataChange::Merge(metadata) => (AsMap(metadata), "merge"),
        MetadataChange::Replace(metadata) => (AsMap(metadata), "replace"),
        MetadataChange::Remove(metadata) => (AsMap(metadata), "remove"),
    });
    let (metadata, metadata_change) = change.unzip();
    Shown {
        ip: &at.ip,
        port: at.port,
        cluster_name: &at.cluster,
        enabled: set.enabled,
        weight: set.weight,
        metadata,
        metadata_change,
        set_at: set.set_at.millis(),
        has_instance: set.ends_at.is_none(),
    }
}

/// Removes the override at an endpoint: the values that the client registered apply again.
async fn remove(face: &Face, request: &Request<'_>) -> Reply {
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    let removed = face.catalog.clear_override(&key, &endpoint).await;
    removed.map_err(|error| Fault::of(error, At::UpdateInstance, &key))?;
    Ok(reply::done(request.generation))
}
