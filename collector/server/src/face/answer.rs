//! Responses of the HTTP faces.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{Either, Full};
use serde::Serialize;

/// The content type of 5.x (proto/docs/skywalking.md section 2.1).
pub const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// The body of an answer: complete bytes, or the body of a router's response.
pub type AnswerBody = Either<Full<Bytes>, Body>;

/// Returns a 200 with this body as JSON.
pub fn reply(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => ([(CONTENT_TYPE, JSON)], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot encode the answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
