//! Publishes the events of the catalog in the collector's event feed, and logs departures.

use std::sync::{Arc, OnceLock};

use rollcall_catalog::{Event, EventSink};
use rollcall_domain::catalog::{ConnectionEnd, EventKind, HealthBy, Override};
use rollcall_limits::Peer;
use rollcall_link as link;
use rollcall_service::events::{Feed, ServiceEvent, ServiceInstance};

use super::departures::Departures;

/// Forwards events to the feed once it exists. The catalog makes no changes before.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<OnceLock<Feed>>, Arc<Departures>);

impl Events {
    /// Forwards all later events to `feed`.
    pub(super) fn pass_to(&self, feed: Feed) {
        if self.0.set(feed).is_err() {
            tracing::debug!("the events of the catalog already have a feed");
        }
    }
}

impl EventSink for Events {
    fn record(&self, event: Event) {
        self.1.log(&event);
        if let Some(feed) = self.0.get() {
            let at = event.at;
            let source = peer(&event);
            feed.service_by(source, at, converted(event));
        }
    }
}

/// The peer that caused an event: the sender of the running call, or the client whose connection ended.
fn peer(event: &Event) -> Option<Peer> {
    let caller = link::current(|seen| seen.remote().ip());
    let client = || event.client.as_deref()?.ip.parse().ok();
    caller.or_else(client).map(Peer::new)
}

/// The event with its evidence as text.
fn converted(event: Event) -> ServiceEvent {
    let Event {
        event,
        client,
        overridden,
        failed_probe,
        ..
    } = event;
    let by = match event.what {
        EventKind::Expired => Some("beat"),
        EventKind::Overridden => Some("operator"),
        EventKind::Healthy(by) | EventKind::Unhealthy(by) => Some(decider(by)),
        _ => None,
    };
    let end = match event.what {
        EventKind::ConnectionEnded(end) => Some(end_name(end)),
        _ => None,
    };
    let client = client.as_deref();
    let detail = match (event.what, overridden) {
        (EventKind::Overridden, Some(set)) => Some(description(&set).into()),
        (EventKind::Overridden, None) => Some("no override is left".into()),
        _ => failed_probe,
    };
    ServiceEvent {
        instance: ServiceInstance {
            service: event.service,
            endpoint: event.endpoint,
        },
        is_ephemeral: event.kind.is_ephemeral(),
        kind: name(event.what).into(),
        publisher: event.publisher.to_string().into(),
        peer: client.map(|client| format!("{}:{}", client.ip, client.port).into()),
        client: client.map(|client| Arc::clone(&client.version)),
        connection_end: end.map(Into::into),
        by: by.map(Into::into),
        detail,
        unrecorded: 0,
    }
}

/// The values that an override sets, as text.
fn description(set: &Override) -> String {
    let enabled = set.enabled.map(|enabled| format!("enabled={enabled}"));
    let weight = set.weight.map(|weight| format!("weight={weight}"));
    let metadata = set.metadata.as_ref().map(|_| "metadata".to_owned());
    let parts: Vec<_> = [enabled, weight, metadata].into_iter().flatten().collect();
    match parts.is_empty() {
        true => "no override is left".to_owned(),
        false => parts.join(", "),
    }
}

/// The word for the cause of an instance's health.
const fn decider(by: HealthBy) -> &'static str {
    match by {
        HealthBy::Beat => "beat",
        HealthBy::Probe => "probe",
        HealthBy::Operator => "operator",
        HealthBy::Registration => "registration",
        HealthBy::Member => "member",
    }
}

const fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Registered => "registered",
        EventKind::Updated => "updated",
        EventKind::TakenOver => "taken_over",
        EventKind::Deregistered => "deregistered",
        EventKind::Replaced => "replaced",
        EventKind::ConnectionEnded(_) => "connection_ended",
        EventKind::Expired => "expired",
        EventKind::Healthy(_) => "healthy",
        EventKind::Unhealthy(_) => "unhealthy",
        EventKind::Overridden => "overridden",
        EventKind::MemberRemoved => "member_removed",
        EventKind::MemberLeft => "member_left",
    }
}

const fn end_name(end: ConnectionEnd) -> &'static str {
    match end {
        ConnectionEnd::Closed => "closed",
        ConnectionEnd::Dropped => "dropped",
        ConnectionEnd::Reset => "reset",
        ConnectionEnd::TimedOut => "timed_out",
        ConnectionEnd::Unread => "unread",
        ConnectionEnd::OverLimit => "over_limit",
        ConnectionEnd::Superseded => "superseded",
        ConnectionEnd::Violation => "violation",
        ConnectionEnd::CollectorStops => "collector_stops",
    }
}
