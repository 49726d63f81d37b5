//! Answers a request in place of its handler, in its own protocol.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::fault::Fault;
use super::outbound::Outbound;
use super::traffic::Answering;

const ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a request is refused, and the protocol of the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    fault: Fault,
    is_grpc: bool,
}

impl Refusal {
    pub(super) fn of(fault: Fault, is_grpc: bool) -> Self {
        Self { fault, is_grpc }
    }

    /// The whole response. `answering` counts it as an answer; without it, the response has no body.
    pub(super) fn into_response<B>(self, answering: Option<Answering>) -> Response<Outbound<B>> {
        let message = match self.fault {
            Fault::OverBudget(over) => match (key(over.budget), over.peer) {
                (Some(key), None) => format!("{over}; the limit is {key}"),
                (Some(key), Some(_)) => format!("{over}; the limit is three quarters of {key}"),
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
            let mut response = Response::new(Outbound::text(Bytes::new(), answering));
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
        let body = match &answering {
            Some(_) => {
                let body = serde_json::json!({"error": {"field": null, "message": message}});
                Bytes::from(body.to_string())
            }
            // The stream is not charged. The flow control of its peer could keep a body in memory.
            None => Bytes::new(),
        };
        let mut response = Response::new(Outbound::text(body, answering));
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
