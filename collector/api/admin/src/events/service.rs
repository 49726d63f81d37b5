//! Events of the instances of Nacos services.

use axum::response::sse;
use rollcall_domain::{
    Timestamp,
    catalog::{Event, EventKind},
};
use serde::Serialize;

use crate::view;

/// The `data` of a `service_instance` event.
#[derive(Debug, Serialize)]
struct Data<'a> {
    at: String,
    namespace: &'a str,
    group: &'a str,
    service: &'a str,
    cluster: &'a str,
    ip: &'a str,
    port: u16,
    ephemeral: bool,
    what: &'static str,
    /// The evidence: the source of the instance's registration.
    publisher: String,
}

pub(super) fn encode(at: Timestamp, event: &Event) -> Result<sse::Event, axum::Error> {
    let data = Data {
        at: view::time(at),
        namespace: event.service.namespace(),
        group: event.service.group(),
        service: event.service.name(),
        cluster: &event.endpoint.cluster,
        ip: &event.endpoint.ip,
        port: event.endpoint.port,
        ephemeral: event.kind.is_ephemeral(),
        what: name(event.what),
        publisher: event.publisher.to_string(),
    };
    sse::Event::default()
        .event("service_instance")
        .json_data(data)
}

const fn name(what: EventKind) -> &'static str {
    match what {
        EventKind::Registered => "registered",
        EventKind::Updated => "updated",
        EventKind::TakenOver => "taken_over",
        EventKind::Deregistered => "deregistered",
        EventKind::Replaced => "replaced",
        EventKind::ConnectionEnded => "connection_ended",
        EventKind::Expired => "expired",
        EventKind::Healthy => "healthy",
        EventKind::Unhealthy => "unhealthy",
        EventKind::Overridden => "overridden",
    }
}
