//! Probes for supervisors: liveness, readiness and metrics.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::readiness::{Reasons, Status};
use serde::Serialize;

use super::{ConnectionLimits, Face};

/// The exposition format that [`Services::exposition`](rollcall_service::Services::exposition) writes.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The status of a collector that takes no traffic.
const UNREADY: &str = "unready";

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// `ready`, `degraded` (ready, with a problem) or `unready`.
    status: &'static str,
    /// The problems, by condition.
    reasons: Reasons,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Connections>,
}

/// Open connections, and their limit.
#[derive(Serialize)]
struct Connections {
    open: usize,
    limit: usize,
    limit_per_listener: usize,
    limit_per_peer: usize,
}

/// `GET /livez`: 200 while the process answers.
pub(super) async fn live() -> Response {
    reply(&Live { live: true })
}

/// `GET /readyz`: 200 or 503, with the reasons; also 200 when degraded.
pub(super) async fn ready(State(face): State<Arc<Face>>) -> Response {
    let (status, reasons) = status(&face);
    answer(&Ready {
        ready: status != UNREADY,
        status,
        reasons,
        connections: Some(Connections::of(&face.connection_limits)),
    })
}

/// The status of this collector with the reasons, as the probe and the overview show it.
pub(super) fn status(face: &Face) -> (&'static str, Reasons) {
    let full = Connections::of(&face.connection_limits).full();
    let (status, mut reasons) = match face.services.readiness.status() {
        Status::Ready if full.is_none() => ("ready", Reasons::new()),
        Status::Ready => ("degraded", Reasons::new()),
        Status::Degraded(reasons) => ("degraded", reasons),
        Status::Unready(reasons) => (UNREADY, reasons),
    };
    reasons.extend(full.map(|reason| ("connections", reason.into())));
    (status, reasons)
}

/// The answer to `GET /readyz` before the collector serves.
pub(super) fn unready(reasons: Reasons) -> Response {
    answer(&Ready {
        ready: false,
        status: UNREADY,
        reasons,
        connections: None,
    })
}

fn answer(ready: &Ready) -> Response {
    let mut response = reply(ready);
    if !ready.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

impl Connections {
    fn of(connection_limits: &ConnectionLimits) -> Self {
        Self {
            open: connection_limits.room.taken(),
            limit: connection_limits.room.limit(),
            limit_per_listener: connection_limits.per_listener,
            limit_per_peer: connection_limits.room.per_peer(),
        }
    }

    /// The reason why no listener can keep another connection, if that is so.
    fn full(&self) -> Option<String> {
        (self.open >= self.limit).then(|| {
            format!(
                "all {} places for connections are taken: new connections are served one HTTP/1 request or closed; raise \
                 the limit on open files (ulimit -Hn, LimitNOFILE)",
                self.limit
            )
        })
    }
}

/// `GET /metrics`: OpenMetrics text, which Prometheus reads.
pub(super) async fn metrics(State(face): State<Arc<Face>>) -> Result<Response, Refusal> {
    let text = face.exposition().await?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
