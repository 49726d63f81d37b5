//! Reads the body of a gRPC call, one message at a time.
//!
//! tonic keeps the memory of a stream's largest message until the stream ends, and clients hold streams open for days. Here the
//! handler owns each message and frees it by dropping it. The server stack relies on that: it passes on a message when its last
//! byte has arrived, and charges it until the next poll ([`Budget`](rollcall_limits::Budget)).
//!
//! Compressed messages are refused: no face decompresses anything.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body as _;
use tonic::{Code, Status};

#[cfg(test)]
mod tests;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Bytes of the flag and the length in front of a message.
pub const PREFIX: usize = 5;

/// Bytes of a message that are assembled before the task yields to others.
const TURN: usize = 1 << 20;

/// The messages of one call.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    /// Received bytes that are not yet read.
    rest: Bytes,
    max: usize,
    /// The configuration key that sets `max`; empty if none does.
    key: &'static str,
    /// Bytes that were assembled in this turn.
    assembled: usize,
}

/// Why there is no next message.
#[derive(Debug)]
pub enum Broken {
    /// The transport failed, or the client reset the stream.
    Transport(axum::Error),
    /// The bytes are not a gRPC message of an allowed length.
    Message(Status),
}

impl Broken {
    /// The status that the call ends with. It has a source only if the transport failed.
    #[must_use]
    pub fn into_status(self) -> Status {
        let error = match self {
            Self::Message(status) => return status,
            Self::Transport(error) => error,
        };
        let cause = Status::from_error(error.into_inner());
        if cause.code() == Code::Cancelled {
            return cause;
        }
        let mut status = Status::internal(format!("the stream broke off: {cause}"));
        status.set_source(Arc::new(cause));
        status
    }
}

/// Refuses calls with compressed messages.
///
/// # Errors
/// `UNIMPLEMENTED`, if `grpc-encoding` is present and is not `identity`.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Status::unimplemented(
            "grpc-encoding must be identity: this collector decompresses no messages",
        )),
    }
}

impl Messages {
    /// The messages of a body, each of at most `max` bytes.
    #[must_use]
    pub fn new(body: Body, max: usize) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            max,
            key: "",
            assembled: 0,
        }
    }

    /// These messages, with the configuration key that sets the limit. A refusal names the key.
    #[must_use]
    pub fn set_by(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// The next message; `None` when the client has sent its last one.
    ///
    /// # Errors
    /// [`Broken::Message`] is `OUT_OF_RANGE` for a message that is too long, and `INTERNAL` for a compressed or truncated one.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            if let Some(message) = self.whole().map_err(Broken::Message)? {
                return Poll::Ready(Ok(Some(message)));
            }
            if self.assembled >= TURN {
                self.assembled = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.assembled += data.len();
                        self.push(data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(Broken::Transport(error))),
                None if self.rest.is_empty() => return Poll::Ready(Ok(None)),
                None => {
                    let status = Status::internal("the stream ends within a message");
                    return Poll::Ready(Err(Broken::Message(status)));
                }
            }
        }
    }

    /// The next message; `None` when the stream has ended.
    ///
    /// # Errors
    /// As [`Messages::poll_next`], as a status ([`Broken::into_status`]).
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        poll_fn(|context| self.poll_next(context))
            .await
            .map_err(Broken::into_status)
    }

    /// The next message and all complete ones that arrived with it; empty at the end of the stream.
    ///
    /// # Errors
    /// As [`Messages::next`].
    pub async fn next_some(&mut self) -> Result<Vec<Bytes>, Status> {
        let mut some: Vec<_> = self.next().await?.into_iter().collect();
        // An invalid message is reported when its turn comes.
        while !some.is_empty()
            && let Ok(Some(message)) = self.whole()
        {
            some.push(message);
        }
        Ok(some)
    }

    /// The one message of a unary call.
    ///
    /// # Errors
    /// As [`Messages::next`]; `INTERNAL` if the call does not have exactly one message.
    pub async fn only(&mut self) -> Result<Bytes, Status> {
        let message = self.next().await?;
        let message = message.ok_or_else(|| Status::internal("the call has no message"))?;
        if self.rest.is_empty() && self.body.is_end_stream() {
            return Ok(message); // mostly the end has arrived with the message
        }
        match self.next().await? {
            None => Ok(message),
            Some(_) => Err(Status::internal("the call has more than one message")),
        }
    }

    /// The next message, if all of it has arrived.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some([flag, length @ ..]) = self.rest.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if *flag != 0 {
            return Err(Status::internal(
                "a message is compressed, and grpc-encoding names no compression",
            ));
        }
        if length > self.max {
            return Err(self.too_long(length));
        }
        if self.rest.len() - PREFIX < length {
            return Ok(None);
        }
        self.rest.advance(PREFIX);
        Ok(Some(self.rest.split_to(length)))
    }

    fn too_long(&self, length: usize) -> Status {
        let Self { max, key, .. } = self;
        let remedy = match *key {
            "" => String::new(),
            key => format!(" ({key}): send less at a time, or raise the key"),
        };
        Status::out_of_range(format!(
            "a message has {length} bytes; the limit is {max} bytes{remedy}"
        ))
    }

    fn push(&mut self, data: Bytes) {
        if self.rest.is_empty() {
            self.rest = data;
            return;
        }
        let before = std::mem::take(&mut self.rest);
        let joined = before.len() + data.len();
        // The server passes on a message when all of it has arrived, so its announced length is true. Reserving that length at once
        // takes the size of the message; growing a buffer would take up to three times as much.
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
