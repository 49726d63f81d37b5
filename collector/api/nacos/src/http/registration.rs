//! An instance as a call describes it, for all generations.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use rollcall_domain::catalog::{Endpoint, Kind, Metadata, Registration, ServiceKey};

use super::{
    Face,
    fault::{Fault, Generation},
    metadata,
    request::Request,
};

/// The metadata key that chooses how the id of an instance is built.
const ID_GENERATOR: &str = "preserved.instance.id.generator";
/// The largest weight.
pub(super) const MAX_WEIGHT: f64 = 10_000.0;

/// Reads the instance that a call registers.
pub(super) fn read(
    face: &Face,
    request: &Request<'_>,
    key: &ServiceKey,
) -> Result<Registration, Fault> {
    let endpoint = request.endpoint()?;
    let metadata = metadata::parse(metadata::given(&request.params).unwrap_or_default())?;
    let app = request.app()?;
    Ok(Registration {
        kind: kind(face, request),
        weight: weight(request)?.unwrap_or(1.0),
        enabled: enabled(request).unwrap_or(true),
        healthy: request.params.loose_flag("healthy").unwrap_or(true),
        instance_id: chosen_id(key, &endpoint, &metadata),
        metadata,
        app: app.map(Arc::from),
        endpoint,
    })
}

/// The kind that a call names, or the default of the switches.
pub(super) fn kind(face: &Face, request: &Request<'_>) -> Kind {
    let named = request.params.loose_flag("ephemeral");
    Kind::of(named.unwrap_or_else(|| face.catalog.switches().default_instance_ephemeral))
}

/// The weight, if the call names one. 1.4 raises a weight below 0.01 that is not 0.
pub(super) fn weight(request: &Request<'_>) -> Result<Option<f64>, Fault> {
    match request.params.number("weight")? {
        Some(weight) if !(0.0..=MAX_WEIGHT).contains(&weight) => Err(Fault::Weight),
        Some(weight) if request.generation == Generation::V1 && weight > 0.0 => {
            Ok(Some(weight.max(0.01)))
        }
        weight => Ok(weight),
    }
}

/// Whether the instance takes traffic: clients register with `enable`, and update with `enabled`.
pub(super) fn enabled(request: &Request<'_>) -> Option<bool> {
    let enabled = request.params.loose_flag("enabled");
    enabled.or_else(|| request.params.loose_flag("enable"))
}

/// The id of an instance whose client requests a number as the id. It is computed from the endpoint, so that each registration
/// returns the same id.
fn chosen_id(key: &ServiceKey, endpoint: &Endpoint, metadata: &Metadata) -> Option<Arc<str>> {
    let generator = metadata.get(ID_GENERATOR)?;
    generator.eq_ignore_ascii_case("snowflake").then(|| {
        let mut hasher = DefaultHasher::new();
        (key, endpoint).hash(&mut hasher);
        let number = hasher.finish() >> 1;
        format!(
            "{number}#{}#{}@@{}",
            endpoint.cluster,
            key.group(),
            key.name()
        )
        .into()
    })
}
