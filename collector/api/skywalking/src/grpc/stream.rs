//! Reads calls as streams of messages, one message at a time, and answers with one empty message.
//!
//! tonic keeps the memory of a stream's largest message until the stream ends, and agents hold streams open for days. Here the
//! handler owns each message and frees it by dropping it, as the budget of requests assumes.

use std::sync::Arc;

use axum::{
    BoxError,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::{MethodRouter, post},
};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use prost::DecodeError;
use rollcall_limits::Peer;
use tokio::task::yield_now;
use tonic::{Code, Status, metadata::MetadataMap};

#[cfg(test)]
mod tests;

/// The flag and the length in front of a message.
pub(super) const PREFIX: usize = 5;

/// Bytes of a message that are assembled before the task yields to others.
const TURN: usize = 1 << 20;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// An empty message.
const EMPTY: Bytes = Bytes::from_static(&[0; PREFIX]);

/// The messages of one call.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    /// Received bytes that are not yet read.
    rest: Bytes,
    max: usize,
}

/// The route of a stream whose messages have at most `max` bytes. `take` consumes all messages.
pub(super) fn route<T, F>(max: usize, take: T) -> MethodRouter
where
    T: FnOnce(MetadataMap, Option<Peer>, Messages) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    post(move |request: Request<Body>| async move {
        let (head, body) = request.into_parts();
        let taken = match refuse_encoded(&head.headers) {
            Ok(()) => {
                let peer = head.extensions.get().copied();
                let messages = Messages::new(body, max);
                take(MetadataMap::from_headers(head.headers), peer, messages).await
            }
            Err(refusal) => Err(refusal),
        };
        match taken {
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

/// Refuses compressed messages: this face decompresses nothing.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Status::unimplemented(
            "grpc-encoding has to be identity: this collector decompresses no messages",
        )),
    }
}

/// The status of a stream that the transport ended. Its source distinguishes it from an invalid message.
fn broken_off(error: BoxError) -> Status {
    let cause = Status::from_error(error);
    if cause.code() == Code::Cancelled {
        return cause;
    }
    let mut status = Status::internal(format!("the stream broke off: {cause}"));
    status.set_source(Arc::new(cause));
    status
}

// === impl Messages ===

impl Messages {
    pub(super) fn new(body: Body, max: usize) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            max,
        }
    }

    /// The next message; `None` when the stream has ended.
    ///
    /// # Errors
    /// The transport's error, with its source, if the connection is lost; `OUT_OF_RANGE` for a message that is too long;
    /// `INTERNAL` for a compressed or truncated message.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let mut pushed = 0;
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            if pushed >= TURN {
                pushed = 0;
                yield_now().await;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        pushed += data.len();
                        self.push(data);
                    }
                }
                Some(Err(error)) => return Err(broken_off(error.into())),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(Status::internal("the stream ends within a message")),
            }
        }
    }

    /// The next message and those that arrived with it; empty at the end of the stream.
    ///
    /// # Errors
    /// As [`Messages::next`].
    pub(super) async fn next_some(&mut self) -> Result<Vec<Bytes>, Status> {
        let mut some: Vec<_> = self.next().await?.into_iter().collect();
        // An invalid message is reported when its turn comes.
        while !some.is_empty()
            && let Ok(Some(message)) = self.whole()
        {
            some.push(message);
        }
        Ok(some)
    }

    /// The next message, if all of it has arrived.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some([flag, length @ ..]) = self.rest.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if *flag != 0 {
            return Err(Status::internal(
                "a message is compressed, and grpc-encoding does not say how",
            ));
        }
        if length > self.max {
            return Err(Status::out_of_range(format!(
                "a message has {length} bytes; the limit is {} bytes",
                self.max
            )));
        }
        if self.rest.len() - PREFIX < length {
            return Ok(None);
        }
        self.rest.advance(PREFIX);
        Ok(Some(self.rest.split_to(length)))
    }

    fn push(&mut self, data: Bytes) {
        if self.rest.is_empty() {
            self.rest = data;
            return;
        }
        let before = std::mem::take(&mut self.rest);
        let joined = before.len() + data.len();
        // The server hands over a message when all of it has arrived, so its length is more than a claim of the peer. Reserving
        // that length at once takes the message's size once; growing takes up to three times as much.
        let whole = match length(&before) {
            Some(length) if length <= self.max => PREFIX + length,
            _ => joined,
        };
        let mut rest = match before.try_into_mut() {
            Ok(rest) if rest.capacity() >= joined => rest,
            Ok(rest) => grown(&rest, whole.max(joined)),
            Err(shared) => grown(&shared, whole.max(joined)),
        };
        rest.extend_from_slice(&data);
        self.rest = rest.freeze();
    }
}

/// The length of the message that begins with these bytes, if there are enough of them.
fn length(bytes: &[u8]) -> Option<usize> {
    let [_flag, length @ ..] = bytes.first_chunk::<PREFIX>()?;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

/// A copy of the bytes with this capacity.
fn grown(bytes: &[u8], capacity: usize) -> BytesMut {
    let mut grown = BytesMut::with_capacity(capacity);
    grown.extend_from_slice(bytes);
    grown
}
