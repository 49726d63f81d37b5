//! The changes that an operator makes to services: overrides, the protect threshold, and removals.
//!
//! A web page of another origin cannot reach these routes (`server::face::Gate`). Each change is logged and published as an event,
//! with the address of the operator.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use rollcall_catalog::domain::{Kind, MetadataChange, Override};
use rollcall_server::face::{Refusal, json};
use serde::{Deserialize, de::DeserializeOwned};

use super::{name, refusal, view};
use crate::{Face, operator, parameters::Parameters};

/// The most bytes of a body besides its metadata.
const MAX_REST: usize = 4 << 10;
/// The most bytes of JSON for one byte of text: `\u0001`.
const ESCAPED: usize = 6;
/// The largest weight that clients accept.
const MAX_WEIGHT: f64 = 10_000.0;

/// The values to set on an instance. An absent value leaves the present one unchanged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    weight: Option<f64>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threshold {
    protect_threshold: f64,
}

/// `POST /api/services/instances/override`: sets the state, the weight or the metadata that clients see of an instance.
pub(crate) async fn set_override(
    State(face): State<Arc<Face>>,
    uri: Uri,
    body: Body,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &name::OF_INSTANCE)?;
    let (key, endpoint) = (name::key(&parameters)?, name::endpoint(&parameters)?);
    let Wanted {
        enabled,
        weight,
        metadata,
    } = read(&face, body).await?;
    if weight.is_some_and(|weight| !(0.0..=MAX_WEIGHT).contains(&weight)) {
        let allowed = format_args!("must be a number from 0 to {MAX_WEIGHT}");
        return Err(Refusal::invalid("weight", allowed));
    }
    let catalog = face.catalog()?;
    let metadata = metadata.map(view::metadata);
    let limit = catalog.limits().metadata_bytes;
    let bytes = metadata.as_ref().map_or(0, |metadata| metadata.bytes());
    if bytes > limit {
        let message = format_args!(
            "has {bytes} bytes, and at most {limit} are allowed (nacos.default.max_metadata)"
        );
        return Err(Refusal::invalid("metadata", message));
    }
    let set = Override {
        enabled,
        weight,
        metadata: metadata.map(MetadataChange::Replace),
        ..Override::none(face.services.wall())
    };
    if set.is_empty() {
        let needed = "must have enabled, weight or metadata";
        return Err(Refusal::invalid("body", needed));
    }
    let what = described(&set);
    let changed = catalog.set_override(&key, &endpoint, set).await;
    changed.map_err(refusal::of)?;
    operator::record(&face, &what, &format!("{} of {key}", place(&endpoint)));
    Ok(done())
}

/// `DELETE /api/services/instances/override`: removes the override of an instance.
pub(crate) async fn clear_override(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &name::OF_INSTANCE)?;
    let (key, endpoint) = (name::key(&parameters)?, name::endpoint(&parameters)?);
    let cleared = face.catalog()?.clear_override(&key, &endpoint).await;
    cleared.map_err(refusal::of)?;
    let target = format!("{} of {key}", place(&endpoint));
    operator::record(&face, "removed the override of", &target);
    Ok(done())
}

/// `DELETE /api/services/instances`: deregisters an instance.
pub(crate) async fn deregister(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let known = [
        "namespace",
        "group",
        "service",
        "ip",
        "port",
        "cluster",
        "ephemeral",
    ];
    let parameters = Parameters::of(&uri, &known)?;
    let (key, endpoint) = (name::key(&parameters)?, name::endpoint(&parameters)?);
    let kind = Kind::of(name::ephemeral(&parameters)?.unwrap_or(true));
    let catalog = face.catalog()?;
    let removed = catalog.deregister(&key, &endpoint, kind).await;
    if !removed.map_err(refusal::of)? {
        let missing = rollcall_catalog::NotFound::Instance;
        return Err(refusal::of(rollcall_catalog::Error::NotFound(missing)));
    }
    let target = format!("{} of {key}", place(&endpoint));
    operator::record(&face, "deregistered", &target);
    Ok(done())
}

/// `POST /api/services/threshold`: sets the protect threshold of a service.
pub(crate) async fn set_threshold(
    State(face): State<Arc<Face>>,
    uri: Uri,
    body: Body,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &name::PARAMETERS)?;
    let key = name::key(&parameters)?;
    let Threshold { protect_threshold } = read(&face, body).await?;
    if !(0.0..=1.0).contains(&protect_threshold) {
        let allowed = "must be a number from 0 to 1";
        return Err(Refusal::invalid("protect_threshold", allowed));
    }
    let catalog = face.catalog()?;
    let changed = catalog
        .update_service(&key, move |settings| {
            settings.protect_threshold = protect_threshold;
        })
        .await;
    changed.map_err(refusal::of)?;
    let what = format!("set the protect threshold {protect_threshold} of");
    operator::record(&face, &what, &key.to_string());
    Ok(done())
}

/// `DELETE /api/services`: deletes a service without instances.
pub(crate) async fn delete_service(
    State(face): State<Arc<Face>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &name::PARAMETERS)?;
    let key = name::key(&parameters)?;
    let deleted = face.catalog()?.delete_service(&key).await;
    deleted.map_err(refusal::of)?;
    operator::record(&face, "deleted", &key.to_string());
    Ok(done())
}

/// Reads a body, which may contain the metadata of one instance.
async fn read<T: DeserializeOwned>(face: &Face, body: Body) -> Result<T, Refusal> {
    let metadata = face.catalog()?.limits().metadata_bytes;
    let limits = json::Limits {
        max_body_size: MAX_REST + ESCAPED * metadata,
        size_key: "nacos.default.max_metadata",
        ..json::Limits::default()
    };
    let parts = json::read(body, &limits).await?;
    let json::Object(read) = json::parse(&parts.join())?;
    Ok(read)
}

/// The effect of an override on its instance, for the record.
fn described(set: &Override) -> String {
    let mut parts = Vec::new();
    match set.enabled {
        Some(true) => parts.push("took back online".to_owned()),
        Some(false) => parts.push("took offline".to_owned()),
        None => {}
    }
    if let Some(weight) = set.weight {
        parts.push(format!("set the weight {weight} of"));
    }
    if set.metadata.is_some() {
        parts.push("set the metadata of".to_owned());
    }
    parts.join(" and ")
}

fn place(endpoint: &rollcall_catalog::Endpoint) -> String {
    format!("{}:{}", endpoint.ip, endpoint.port)
}

fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
