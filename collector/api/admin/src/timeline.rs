//! Timelines: the last changes of one instance, with their evidence.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::Response,
};
use rollcall_domain::catalog::{
    DEFAULT_CLUSTER, DEFAULT_GROUP, Endpoint, PUBLIC, ServiceKey, cluster_name,
};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::{
    events::{ServiceInstance, Timeline},
    roster::Roster,
};
use serde::Serialize;

use super::{Face, parameters::Parameters, query, view};

/// A timeline.
#[derive(Debug, Serialize)]
struct Shown<I> {
    /// The instance as in the roster.
    instance: I,
    /// The explanation of its state.
    why: String,
    /// Oldest first.
    events: Vec<view::Event>,
    /// How many older changes there were; `null` if unknown.
    lost: Option<u64>,
}

/// `GET /api/instances/{id}/timeline`
pub(super) async fn instance(
    State(face): State<Arc<Face>>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let id = query::id_in(id)?;
    let roster = &face.services.roster;
    let status = roster
        .instance(id)
        .ok_or_else(|| query::unknown("instance", id))?;
    let timeline = face.services.events.timeline(id);
    let instance = view::Instance::of(roster, &status);
    Ok(reply(&Shown {
        why: instance.why().to_owned(),
        events: events(&timeline, roster),
        lost: timeline.lost,
        instance,
    }))
}

/// `GET /api/services/instances/timeline?namespace=&group=&service=&ip=&port=&cluster=`
pub(super) async fn service(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let names = ["namespace", "group", "service", "ip", "port", "cluster"];
    let parameters = Parameters::of(&uri, &names)?;
    let instance = place(&parameters)?;
    let timeline = face.services.events.service_timeline(&instance);
    let events = events(&timeline, &face.services.roster);
    let Some(last) = events.last() else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "service",
            format_args!(
                "this collector has no change of {} {}:{} in the cluster {}",
                instance.service,
                instance.endpoint.ip,
                instance.endpoint.port,
                instance.endpoint.cluster
            ),
        ));
    };
    Ok(reply(&Shown {
        instance: None::<()>,
        why: last.text().to_owned(),
        events,
        lost: timeline.lost,
    }))
}

fn events(timeline: &Timeline, roster: &Roster) -> Vec<view::Event> {
    let events = timeline.events.iter();
    events
        .map(|recorded| view::Event::of(recorded, roster))
        .collect()
}

fn place(parameters: &Parameters) -> Result<ServiceInstance, Refusal> {
    let needed = |name: &'static str| {
        let value = parameters.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::invalid(name, "must be given"))
    };
    let service = ServiceKey::new(
        parameters.get("namespace").unwrap_or(PUBLIC),
        parameters.get("group").unwrap_or(DEFAULT_GROUP),
        needed("service")?,
    );
    let service = service.map_err(|error| Refusal::invalid("service", error.to_string()))?;
    let cluster = parameters.get("cluster").unwrap_or(DEFAULT_CLUSTER);
    let cluster =
        cluster_name(cluster).map_err(|error| Refusal::invalid("cluster", error.to_string()))?;
    let port = needed("port")?
        .parse()
        .map_err(|_no_number| Refusal::invalid("port", "must be a number from 0 to 65535"))?;
    let endpoint = Endpoint {
        ip: needed("ip")?.into(),
        port,
        cluster: cluster.into(),
    };
    Ok(ServiceInstance { service, endpoint })
}
