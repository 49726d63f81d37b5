//! Answers as texts and JSON, and the error page of the reference's framework as JSON.

use std::{
    array,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Serialize;
use serde_json::json;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A text; never empty if the status is an error, because Java's client fails on an empty one.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(status, TEXT, Body::from(text.into()))
}

/// JSON that is encoded already.
pub(super) fn encoded(json: impl Into<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, JSON, Body::from(json.into()))
}

/// JSON that is encoded already, in parts. The parts are sent one after the other, so a part that many answers share is not copied.
pub(super) fn in_parts<const N: usize>(parts: [Bytes; N]) -> Response<Body> {
    respond(StatusCode::OK, JSON, Body::new(Parts(parts.into_iter())))
}

/// JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

/// JSON with a status other than 200.
pub(super) fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // A value of this crate has text keys only, so its encoding cannot fail.
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, JSON, Body::from(body)),
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

fn respond(status: StatusCode, kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The body of an answer in parts: those that are not sent yet.
#[derive(Debug)]
struct Parts<const N: usize>(array::IntoIter<Bytes, N>);

impl<const N: usize> http_body::Body for Parts<N> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_slice().iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let left: usize = self.0.as_slice().iter().map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use http_body::Body as _;
    use http_body_util::BodyStream;

    use super::*;

    #[tokio::test]
    async fn parts_are_sent_in_order_and_their_length_is_known() {
        let parts = ["{", "", r#""a":1"#, "}"].map(Bytes::from);
        let response = in_parts(parts);
        assert_eq!(response.headers()[CONTENT_TYPE], JSON);
        let body = response.into_body();
        assert_eq!(body.size_hint().exact(), Some(7));
        let mut frames = BodyStream::new(body);
        let mut sent = Vec::new();
        while let Some(frame) = frames.next().await {
            sent.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(sent, ["{", r#""a":1"#, "}"]);
        assert!(in_parts([Bytes::new()]).into_body().is_end_stream());
    }

    #[test]
    fn times_have_milliseconds_and_an_offset() {
        assert_eq!(rfc3339(1_795_622_140_553), "2026-11-25T15:55:40.553+00:00");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000+00:00");
    }
}
