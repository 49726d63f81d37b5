//! Errors in the common form of all HTTP faces.

use std::fmt::Display;

use axum::{
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rollcall_metrics::Outcome;
use serde::Serialize;

use super::answer::{AnswerBody, reply};

/// Upstream's header for the error message; the text is also in the body.
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");

/// The longest message, in characters. A message may quote the client's input, which may be long.
const MAX_MESSAGE: usize = 256;

/// The advised time until a retry, in seconds: the interval at which agents retry in any case (proto/docs/skywalking.md section
/// 4.1).
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("3");

/// An error response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
    is_transient: bool,
    outcome: Outcome,
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    /// `null` if no part of the request is invalid.
    field: Option<&'a str>,
    message: &'a str,
}

impl Refusal {
    /// A client's error in `field`: the path of a key in the body (`[3].sn`), `body` as a whole, a parameter, or a part of the
    /// request line.
    pub fn invalid(field: impl Into<String>, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, message)
    }

    /// A client's error with a status other than 400.
    pub fn new(status: StatusCode, field: impl Into<String>, message: impl ToString) -> Self {
        let message = message.to_string();
        Self {
            status,
            field: field.into(),
            message: message.chars().take(MAX_MESSAGE).collect(),
            is_transient: false,
            outcome: Outcome::Invalid,
        }
    }

    /// The client closed the connection before its request was complete. It will not read the response.
    pub fn broken_off(error: impl Display) -> Self {
        Self {
            outcome: Outcome::BrokenOff,
            ..Self::invalid("body", format_args!("broken off: {error}"))
        }
    }

    /// A transient failure: this collector cannot answer now. Advises the client to retry.
    pub fn overloaded(message: impl ToString) -> Self {
        Self {
            is_transient: true,
            outcome: Outcome::Overloaded,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "", message)
        }
    }

    /// This refusal, counted as `outcome`.
    #[must_use]
    pub fn counted(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// This refusal, with the advice to retry at this collector soon.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            is_transient: true,
            ..self
        }
    }

    /// The response, for callers outside a router.
    pub fn into_boxed(self) -> Response<AnswerBody> {
        self.into_response().map(AnswerBody::Right)
    }

    /// The outcome under which the call is counted.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Body {
            error: ErrorBody {
                field: Some(self.field.as_str()).filter(|field| !field.is_empty()),
                message: &self.message,
            },
        };
        let mut response = reply(&body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(ERROR_MESSAGE, header_value(&self.message));
        if self.is_transient {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// Returns 404 in the common form: the fallback of a listener.
pub async fn not_found(uri: Uri) -> Response {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "path",
        format_args!("no route for {}", uri.path()),
    )
    .into_response()
}

/// Returns 415, for a gRPC method called with another content type.
#[must_use]
pub fn not_grpc() -> Response {
    Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        "a gRPC call has the content type application/grpc",
    )
    .into_response()
}

/// Returns 405; the router adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Response {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        format_args!("{method} is not allowed on {}", uri.path()),
    )
    .into_response()
}

/// The text as a header value, with `?` for every character that is not printable ASCII.
fn header_value(text: &str) -> HeaderValue {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let text: String = text.chars().map(printable).collect();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("invalid request"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_input_of_a_client_cannot_inject_a_header() {
        let hostile = format!("a\r\nset-cookie: b\0é{}", "x".repeat(10_000));
        let response = Refusal::invalid("body", hostile).into_response();
        let header = response.headers()[ERROR_MESSAGE].to_str().unwrap();
        assert!(header.starts_with("a??set-cookie: b??xxx"), "{header}");
        assert_eq!(header.len(), MAX_MESSAGE);
        assert!(!response.headers().contains_key("set-cookie"));
    }
}
