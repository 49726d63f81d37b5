//! Log lines about instances of Nacos services that depart. A departure that its client did not announce is a warning.
//!
//! A connection may have thousands of instances, so each kind has a limit of lines per second. Before the next line of that kind, a
//! line reports the number of suppressed ones.

use rollcall_catalog::Event;
use rollcall_domain::catalog::{ConnectionEnd, EventKind, HealthBy};
use rollcall_service::events::LineLimit;
use tracing::{info, warn};

/// Logs departures.
#[derive(Debug, Default)]
pub(super) struct Departures {
    left: LineLimit,
    lost: LineLimit,
    unhealthy: LineLimit,
}

/// The kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The departure was announced by the client, or caused by an operator.
    Left,
    Lost,
    Unhealthy,
}

impl Departures {
    /// Logs the event, if it is a departure.
    pub(super) fn log(&self, event: &Event) {
        let Some((kind, reason)) = departure(event.event.what) else {
            return;
        };
        let limit = match kind {
            Kind::Left => &self.left,
            Kind::Lost => &self.lost,
            Kind::Unhealthy => &self.unhealthy,
        };
        let second = event.at.millis() / 1000;
        let more = limit.take_suppressed(second);
        match kind {
            _ if more == 0 => {}
            Kind::Left => info!(more, "more service instances left"),
            Kind::Lost => warn!(more, "more service instances lost"),
            Kind::Unhealthy => warn!(more, "more service instances unhealthy"),
        }
        if limit.admits(second) {
            write(event, kind, reason);
        }
    }
}

fn write(event: &Event, kind: Kind, reason: &str) {
    let Event { event, client, .. } = event;
    let endpoint = &event.endpoint;
    let service = &event.service;
    let address = format!("{}:{}", endpoint.ip, endpoint.port);
    let cluster = &*endpoint.cluster;
    let client = client.as_deref();
    let peer = client.map(|client| format!("{}:{}", client.ip, client.port));
    let peer = peer.as_deref();
    let client = client.map(|client| &*client.version);
    match kind {
        Kind::Left => {
            info!(%service, address, cluster, peer, client, reason, "service instance left");
        }
        Kind::Lost => {
            warn!(%service, address, cluster, peer, client, reason, "service instance lost");
        }
        Kind::Unhealthy => {
            warn!(%service, address, cluster, peer, client, reason, "service instance unhealthy");
        }
    }
}

/// The kind of a departure and its reason.
const fn departure(what: EventKind) -> Option<(Kind, &'static str)> {
    Some(match what {
        EventKind::Deregistered => (Kind::Left, "its client or an operator deregistered it"),
        EventKind::Expired => (Kind::Lost, "no beat arrived within its term"),
        EventKind::Unhealthy(by) => (Kind::Unhealthy, unhealthy(by)),
        EventKind::ConnectionEnded(end) => match end {
            ConnectionEnd::Closed => (Kind::Left, "its client closed its connection"),
            ConnectionEnd::Dropped => (Kind::Lost, "its connection ended without a goodbye"),
            ConnectionEnd::Reset => (Kind::Lost, "its connection was reset"),
            ConnectionEnd::TimedOut => (Kind::Lost, "its client answered no probe in time"),
            ConnectionEnd::Unread => (
                Kind::Lost,
                "this collector closed its connection: the client did not read its messages",
            ),
            ConnectionEnd::OverLimit => (
                Kind::Lost,
                "this collector closed its connection: the client exceeded a limit of connections",
            ),
            ConnectionEnd::Superseded => (Kind::Left, "its client opened another stream"),
            ConnectionEnd::Violation => (Kind::Lost, "its client violated the protocol"),
            ConnectionEnd::CollectorStops => return None,
        },
        EventKind::MemberLeft => (
            Kind::Lost,
            "its collector left the cluster, and it registered at no other one in time",
        ),
        // The collector that had it logs why.
        EventKind::MemberRemoved => return None,
        EventKind::Registered
        | EventKind::Updated
        | EventKind::TakenOver
        | EventKind::Replaced
        | EventKind::Healthy(_)
        | EventKind::Overridden => return None,
    })
}

const fn unhealthy(by: HealthBy) -> &'static str {
    match by {
        HealthBy::Beat => "no beat arrived within its term",
        HealthBy::Probe => "a probe failed",
        HealthBy::Operator => "an operator set it",
        HealthBy::Registration => "its client registered it as unhealthy",
        HealthBy::Member => "another collector that shares the store reported it",
    }
}

#[cfg(test)]
mod tests;
