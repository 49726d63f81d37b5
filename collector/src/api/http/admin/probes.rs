//! What supervisors ask: is it alive, may it be sent traffic, what has it counted.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Face;
use crate::{
    api::http::json,
    service::readiness::{Reasons, Status},
};

/// The exposition format that [`Services::exposition`](crate::service::Services::exposition) writes.
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
}

/// `GET /livez`: 200 as long as there is anybody to answer.
pub(super) async fn live() -> Response {
    json::reply(&Live { live: true })
}

/// `GET /readyz`: 200 or 503, with the reasons; 200 too when degraded.
pub(super) async fn ready(State(face): State<Arc<Face>>) -> Response {
    let (ready, status, reasons) = match face.services.readiness.status() {
        Status::Ready => (true, "ready", Reasons::new()),
        Status::Degraded(reasons) => (true, "degraded", reasons),
        Status::Unready(reasons) => (false, "unready", reasons),
    };
    let mut response = json::reply(&Ready {
        ready,
        status,
        reasons,
    });
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `GET /metrics`: OpenMetrics text, which Prometheus reads.
pub(super) async fn metrics(State(face): State<Arc<Face>>) -> Response {
    let text = face.services.exposition();
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
