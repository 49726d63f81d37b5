//! Answers a request in place of its handler, in its own protocol.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::fault::Fault;
use super::outbound::Outbound;
use super::traffic::{Answering, Refusing};

const ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a request is refused, and the protocol of the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    fault: Fault,
    is_grpc: bool,
}

/// The stream that is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is charged and counts as an answer.
    Charged(Answering),
    /// The budget has no room for it.
    Uncharged(Refusing),
}

impl From<Answering> for Refused {
    fn from(answering: Answering) -> Self {
        Self::Charged(answering)
    }
}

impl From<Refusing> for Refused {
    fn from(refusing: Refusing) -> Self {
        Self::Uncharged(refusing)
    }
}

/// The text of a refusal, counted while it is in memory.
struct Text {
    text: String,
    _counted: Refusing,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Refused {
    /// A body with this text.
    fn body<B>(self, text: String) -> Outbound<B> {
        match self {
            Self::Charged(answering) => Outbound::text(text.into(), Some(answering)),
            Self::Uncharged(_) if text.is_empty() => Outbound::text(Bytes::new(), None),
            Self::Uncharged(_counted) => {
                Outbound::text(Bytes::from_owner(Text { text, _counted }), None)
            }
        }
    }
}

impl Refusal {
    pub(super) fn of(fault: Fault, is_grpc: bool) -> Self {
        Self { fault, is_grpc }
    }

    /// The whole response.
    pub(super) fn into_response<B>(self, stream: Refused) -> Response<Outbound<B>> {
        let message = match self.fault {
            Fault::OverBudget(over) => match (key(over.budget), over.peer) {
                (Some(key), None) => format!("{over}; the limit is {key}"),
                (Some(key), Some(_)) => format!(
                    "{over}; the limit is three quarters of {key}, or one item of the largest size if that is more"
                ),
                (None, _) => over.to_string(),
            },
            Fault::Deadline(_) | Fault::TooManyFields(_) => self.fault.to_string(),
            Fault::TooSlow(_) => {
                format!("{}; the limit is server.default.read_timeout", self.fault)
            }
        };
        let header = HeaderValue::try_from(&message);
        let header = header.unwrap_or(HeaderValue::from_static("refused"));
        if self.is_grpc {
            let mut response = Response::new(stream.body(String::new()));
            // DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED.
            let code = match self.fault {
                Fault::TooSlow(_) | Fault::Deadline(_) => HeaderValue::from_static("4"),
                Fault::OverBudget(_) | Fault::TooManyFields(_) => HeaderValue::from_static("8"),
            };
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, code);
            headers.insert(GRPC_MESSAGE, header);
            return response;
        }
        let body = serde_json::json!({"error": {"field": null, "message": message}});
        let mut response = Response::new(stream.body(body.to_string()));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json;charset=utf-8"),
        );
        headers.insert(ERROR_MESSAGE, header);
        *response.status_mut() = match self.fault {
            Fault::TooSlow(_) | Fault::Deadline(_) => StatusCode::REQUEST_TIMEOUT,
            Fault::TooManyFields(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Fault::OverBudget(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        response
    }
}

/// The configuration key of a listener budget.
fn key(budget: &str) -> Option<&'static str> {
    match budget {
        "requests" => Some("server.default.inbound_memory"),
        "answers" => Some("server.default.outbound_memory"),
        "connections" => Some("server.default.connection_memory"),
        _ => None,
    }
}
