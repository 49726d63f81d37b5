//! Events of the instances of Nacos services.

use axum::response::sse;
use rollcall_domain::{
    Timestamp,
    catalog::{ConnectionEnd, Event, EventKind},
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
    /// The evidence of an instance that ended with its connection: how the connection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_end: Option<&'static str>,
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
        connection_end: match event.what {
            EventKind::ConnectionEnded(end) => Some(end_name(end)),
            _ => None,
        },
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
        EventKind::ConnectionEnded(_) => "connection_ended",
        EventKind::Expired => "expired",
        EventKind::Healthy => "healthy",
        EventKind::Unhealthy => "unhealthy",
        EventKind::Overridden => "overridden",
    }
}

const fn end_name(end: ConnectionEnd) -> &'static str {
    match end {
        ConnectionEnd::Closed => "closed",
        ConnectionEnd::Dropped => "dropped",
        ConnectionEnd::Reset => "reset",
        ConnectionEnd::TimedOut => "timed_out",
        ConnectionEnd::Superseded => "superseded",
        ConnectionEnd::Violation => "violation",
        ConnectionEnd::CollectorStops => "collector_stops",
    }
}
