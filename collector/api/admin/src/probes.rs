//! What supervisors ask: is it alive, may it be sent traffic, what has it counted.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use rollcall_server::face::reply;
use rollcall_service::readiness::{Reasons, Status};
use serde::Serialize;

use super::{Face, Places};

/// The exposition format that [`Services::exposition`](rollcall_service::Services::exposition) writes.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// `ready`, `degraded` (ready, and something is wrong) or `unready`.
    status: &'static str,
    /// What is wrong, by condition.
    reasons: Reasons,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Connections>,
}

/// Standing connections, and how many there may be.
#[derive(Serialize)]
struct Connections {
    open: usize,
    limit: usize,
    limit_per_listener: usize,
    limit_per_peer: usize,
}

/// `GET /livez`: 200 as long as the process answers.
pub(super) async fn live() -> Response {
    reply(&Live { live: true })
}

/// `GET /readyz`: 200 or 503, with the reasons; 200 too when degraded.
pub(super) async fn ready(State(face): State<Arc<Face>>) -> Response {
    let connections = Connections::of(&face.places);
    let full = connections.full();
    let (ready, status, mut reasons) = match face.services.readiness.status() {
        Status::Ready if full.is_none() => (true, "ready", Reasons::new()),
        Status::Ready => (true, "degraded", Reasons::new()),
        Status::Degraded(reasons) => (true, "degraded", reasons),
        Status::Unready(reasons) => (false, "unready", reasons),
    };
    reasons.extend(full.map(|reason| ("connections", reason.into())));
    answer(&Ready {
        ready,
        status,
        reasons,
        connections: Some(connections),
    })
}

/// What a collector that does not serve yet answers to `GET /readyz`.
pub(super) fn unready(reasons: Reasons) -> Response {
    answer(&Ready {
        ready: false,
        status: "unready",
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
    fn of(places: &Places) -> Self {
        Self {
            open: places.room.taken(),
            limit: places.room.limit(),
            limit_per_listener: places.per_listener,
            limit_per_peer: places.room.per_peer(),
        }
    }

    /// Why another connection could not stay, if none could on any listener.
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
pub(super) async fn metrics(State(face): State<Arc<Face>>) -> Response {
    let text = face.services.exposition();
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
