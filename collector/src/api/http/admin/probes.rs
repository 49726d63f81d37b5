//! What supervisors ask: is it alive, may it be sent traffic, what has it counted.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Face;
use crate::api::http::json;

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
    /// What stands in the way, by condition.
    reasons: BTreeMap<&'static str, Cow<'static, str>>,
}

/// `GET /livez`: 200 as long as there is anybody to answer.
pub(super) async fn live() -> Response {
    json::reply(&Live { live: true })
}

/// `GET /readyz`: 200 or 503, with the reasons.
pub(super) async fn ready(State(face): State<Arc<Face>>) -> Response {
    let reasons = face.services.readiness.reasons();
    let ready = reasons.is_empty();
    let mut response = json::reply(&Ready { ready, reasons });
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
