//! Answers as texts and JSON, and the error page of the reference's framework as JSON.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A text; never empty if the status is an error, because Java's client fails on an empty one.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(status, TEXT, text.into())
}

/// JSON that is encoded already.
pub(super) fn encoded(json: impl Into<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, JSON, json.into())
}

/// JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

/// JSON with a status other than 200.
pub(super) fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // A value of this crate has text keys only, so its encoding cannot fail.
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, JSON, body.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The error that the reference's framework sends for an unknown path.
pub(super) fn framework(
    status: StatusCode,
    message: &str,
    path: &str,
    now_millis: i64,
) -> Response<Body> {
    let error = status.canonical_reason().unwrap_or("Unknown Error");
    json_with(
        status,
        &json!({
            "timestamp": rfc3339(now_millis),
            "status": status.as_u16(),
            "error": error,
            "message": message,
            "path": path,
        }),
    )
}

/// `2026-11-25T15:55:40.553+00:00`.
fn rfc3339(millis: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(millis) else {
        return String::new();
    };
    format!("{time:.3}").replace('Z', "+00:00")
}

fn respond(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_an_offset() {
        assert_eq!(rfc3339(1_795_622_140_553), "2026-11-25T15:55:40.553+00:00");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000+00:00");
    }
}
