//! The health of persistent instances that are not probed, and the list of health checkers.

use rollcall_catalog::{Conflict, Error};
use serde_json::json;

use super::{
    Face, checker,
    fault::{At, Fault},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        PUT "/v1/ns/health" Write Always set;
        PUT "/v1/ns/health/instance" Write Always set;
        PUT "/v2/ns/health" Write Always set;
        PUT "/v2/ns/health/instance" Write Always set;
        PUT "/v3/admin/ns/health/instance" Write Always set;
        ANY "/v1/ns/health/server" Open Always server;
        GET "/v1/ns/health/checkers" Open Always checkers;
        GET "/v3/admin/ns/health/checkers" Open Always checkers;
    }
    .into()
}

/// Sets the health of an instance whose cluster has the checker `NONE`. As in the reference, an unknown instance is not an
/// error.
async fn set(face: &Face, request: &Request<'_>) -> Reply {
    let (key, endpoint) = (request.service()?, request.endpoint()?);
    let healthy = request.params.loose_flag("healthy");
    let healthy = healthy.or_else(|| request.params.loose_flag("valid"));
    let healthy = healthy.ok_or(Fault::Missing {
        name: "healthy",
        kind: "Boolean",
    })?;
    match face.catalog.set_health(&key, &endpoint, healthy).await {
        Ok(_) => Ok(reply::done(request.generation)),
        Err(Error::Conflict(Conflict::HealthIsProbed)) => Err(Fault::CheckWorking {
            key,
            cluster: endpoint.cluster.to_string(),
        }),
        Err(error) => match Fault::of(error, At::Health, &key) {
            Fault::NoInstance => Ok(reply::done(request.generation)),
            fault => Err(fault),
        },
    }
}

async fn server(face: &Face, _: &Request<'_>) -> Reply {
    let services = face.catalog.counts().registry.services;
    let port = face.settings.port;
    Ok(reply::json(&json!({
        "msg": format!(
            "Hello! I am Nacos-Naming and healthy! total services: {services}, local port:{port}"
        )
    })))
}

async fn checkers(_: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::data(request.generation, &checker::all()))
}
