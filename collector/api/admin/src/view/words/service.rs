//! Events of the instances of Nacos services as sentences.

use std::fmt::Write as _;

use rollcall_service::events::ServiceEvent;

use super::plain;

/// The sentence of an event of a service instance.
pub(in crate::view) fn service(event: &ServiceEvent) -> String {
    let (service, endpoint) = (&event.instance.service, &event.instance.endpoint);
    let label = format!(
        "{}/{}/{} {}:{} ({})",
        plain(service.namespace()),
        plain(service.group()),
        plain(service.name()),
        plain(&endpoint.ip),
        endpoint.port,
        plain(&endpoint.cluster),
    );
    let mut client = plain(event.client.as_deref().unwrap_or(&event.publisher));
    if let Some(peer) = &event.peer {
        let _written = write!(client, " at {}", plain(peer));
    }
    let by = match event.by.as_deref() {
        Some("probe") => "a probe",
        Some("beat") => "its beats",
        Some("operator") => "an operator",
        Some("registration") => "a registration",
        _ => "its client",
    };
    let detail = event.detail.as_deref().map(plain);
    let detail = detail.map_or(String::new(), |detail| format!(" ({detail})"));
    match &*event.kind {
        "registered" => format!("{label} was registered by {client}."),
        "updated" => format!("{label} was changed by {client}."),
        "taken_over" => format!("{label} was taken over from {client}."),
        "deregistered" => format!("{label} was deregistered; {client} had registered it."),
        "replaced" => format!("{label} was replaced by a later registration of {client}."),
        "connection_ended" => {
            let how = end(event.connection_end.as_deref());
            format!("{label} was removed: the connection of {client} {how}.")
        }
        "member_removed" => {
            format!("{label} was removed: {client}, which had it, no longer has it.")
        }
        "member_left" => format!(
            "{label} was removed: {client}, which had it, left the cluster, and it registered at no other collector in time."
        ),
        "expired" => format!("{label} was removed: no beat arrived within its term{detail}."),
        "healthy" => format!("{label} is healthy: {by} said so{detail}."),
        "unhealthy" => {
            let reason = unhealthy(event, by);
            format!("{label} is unhealthy: {reason}{detail}.")
        }
        "overridden" => format!("{label} is overridden by an operator{detail}."),
        "flapping" => format!(
            "{label} changed so often that {} changes were not recorded one by one.",
            event.unrecorded
        ),
        other => format!("{label}: {}.", plain(other)),
    }
}

/// Why an instance is unhealthy; `by` names the source of the verdict.
fn unhealthy(event: &ServiceEvent, by: &str) -> String {
    match event.by.as_deref() {
        Some("beat") => "no beat arrived within its term".to_owned(),
        Some("probe") => "its probe failed".to_owned(),
        _ => format!("{by} said so"),
    }
}

/// How a connection ended.
fn end(end: Option<&str>) -> &'static str {
    match end {
        Some("closed") => "was closed by the client in order",
        Some("dropped") => "ended without a goodbye, as when its process is killed",
        Some("reset") => "was reset",
        Some("timed_out") => "timed out: the client did not answer",
        Some("unread") => "was closed by the collector: the client did not read its messages",
        Some("over_limit") => {
            "was closed by the collector: the client exceeded a limit of connections"
        }
        Some("superseded") => "was superseded by another stream of the client",
        Some("violation") => "was closed because the client violated the protocol",
        _ => "ended",
    }
}
