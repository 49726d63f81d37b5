//! Routes calls that are streams of messages, and answers them with one empty message.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::{MethodRouter, post},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use prost::DecodeError;
use rollcall_limits::Peer;
use rollcall_metrics::Call;
pub(super) use rollcall_server::face::{Messages, PREFIX, refuse_encoded};
use tonic::{Status, metadata::MetadataMap};

use super::call::{Ended, Refusal, end};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// An empty message.
const EMPTY: Bytes = Bytes::from_static(&[0; PREFIX]);

/// The key of the largest message of an agent.
pub(super) const MAX_MESSAGE_SIZE_KEY: &str = "agent_gRPC.gRPC.max_message_size";

/// The route of a stream whose messages have at most `max` bytes. `take` consumes all messages. Each stream is counted when it
/// ends.
pub(super) fn route<T, F>(max: usize, calls: Call, take: T) -> MethodRouter
where
    T: FnOnce(MetadataMap, Option<Peer>, Messages) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Refusal>> + Send + 'static,
{
    post(move |request: Request<Body>| async move {
        let (head, body) = request.into_parts();
        let taken = match refuse_encoded(&head.headers) {
            Ok(()) => {
                let peer = head.extensions.get().copied();
                let messages = Messages::new(body, max);
                take(MetadataMap::from_headers(head.headers), peer, messages).await
            }
            Err(refusal) => Err(refusal.into()),
        };
        let Ended { outcome, result } = end(taken);
        calls.count(outcome);
        match result {
            Ok(()) => answer(EMPTY),
            Err(status) => status.into_http(),
        }
    })
}

/// Answers a call with a message, its prefix included.
pub(super) fn answer(message: Bytes) -> Response<Body> {
    let status = [(GRPC_STATUS, HeaderValue::from_static("0"))];
    let trailers = std::future::ready(Some(Ok(HeaderMap::from_iter(status))));
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))];
    let body = Full::new(message).with_trailers(trailers);
    (content_type, Body::new(body)).into_response()
}

/// The status for a message that cannot be decoded.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn undecodable(error: DecodeError) -> Status {
    Status::internal(error.to_string())
}
