//! Why a request is not answered, in the one form of all HTTP faces.

use std::fmt::Display;

use axum::{
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rollcall_metrics::Outcome;
use serde::Serialize;

use super::answer::{Answer, reply};

/// Upstream's header for what is wrong with a request; the text is also in the body.
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");

/// The longest message, in characters. It may quote what the client sent, which may be long.
const MAX_MESSAGE: usize = 256;

/// How long an agent waits before it asks anyway (proto/docs/skywalking.md section 4.1), in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("3");

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
    passing: bool,
    outcome: Outcome,
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    /// `null` where no part of the request is to blame.
    field: Option<&'a str>,
    message: &'a str,
}

impl Refusal {
    /// The client's mistake in `field`: the path of a key in the body (`[3].sn`), `body` as a whole, a parameter, or a
    /// part of the request line.
    pub fn invalid(field: impl Into<String>, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, message)
    }

    /// The client's mistake, answered with another status than 400.
    pub fn new(status: StatusCode, field: impl Into<String>, message: impl ToString) -> Self {
        let message = message.to_string();
        Self {
            status,
            field: field.into(),
            message: message.chars().take(MAX_MESSAGE).collect(),
            passing: false,
            outcome: Outcome::Invalid,
        }
    }

    /// The client went before its request was whole: it will not read this.
    pub fn broken_off(error: impl Display) -> Self {
        Self {
            outcome: Outcome::BrokenOff,
            ..Self::invalid("body", format_args!("broken off: {error}"))
        }
    }

    /// This collector cannot answer now, and may in a moment.
    pub fn overloaded(message: impl ToString) -> Self {
        Self {
            passing: true,
            outcome: Outcome::Overloaded,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "", message)
        }
    }

    /// The same, counted as `outcome`.
    #[must_use]
    pub fn counted(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The same, with the advice to ask this collector again in a moment.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            passing: true,
            ..self
        }
    }

    /// The answer, where it does not come out of a router.
    pub fn into_answer(self) -> Response<Answer> {
        self.into_response().map(Answer::Right)
    }

    /// How the call is counted.
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
        if self.passing {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// Answers 404 in the form of these faces: the fallback of a listener.
pub async fn not_found(uri: Uri) -> Response {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "path",
        format_args!("there is nothing at {}", uri.path()),
    )
    .into_response()
}

/// Answers 415 to a gRPC method that is called with another content type.
#[must_use]
pub fn not_grpc() -> Response {
    Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        "a gRPC call has the content type application/grpc",
    )
    .into_response()
}

/// Answers 405; the router adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Response {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        format_args!("{method} is not allowed on {}", uri.path()),
    )
    .into_response()
}

/// The text as a header may carry it: what is not printable ASCII becomes `?`.
fn header_value(text: &str) -> HeaderValue {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let text: String = text.chars().map(printable).collect();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("invalid request"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_break_out_of_the_header() {
        let hostile = format!("a\r\nset-cookie: b\0é{}", "x".repeat(10_000));
        let response = Refusal::invalid("body", hostile).into_response();
        let header = response.headers()[ERROR_MESSAGE].to_str().unwrap();
        assert!(header.starts_with("a??set-cookie: b??xxx"), "{header}");
        assert_eq!(header.len(), MAX_MESSAGE);
        assert!(!response.headers().contains_key("set-cookie"));
    }
}
