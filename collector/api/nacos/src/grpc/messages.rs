//! The messages of a call, polled one at a time.
//!
//! The server stack passes on a message when its last byte has arrived, and charges it until the next poll. Only the handler
//! holds the message, so it is freed when the handler drops it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, http::HeaderMap};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body as _;
use tonic::Status;

use super::frame::PREFIX;

#[cfg(test)]
mod tests;

/// The messages of one call.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    /// Bytes that have arrived and were not read.
    rest: Bytes,
    max: usize,
}

/// Why there is no next message.
#[derive(Debug)]
pub(super) enum Broken {
    /// The transport failed, or the client reset the stream.
    Transport(axum::Error),
    /// The bytes are no gRPC message of an allowed length.
    Message(Status),
}

impl Messages {
    /// Messages of at most `max` bytes.
    pub(super) fn new(body: Body, max: usize) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            max,
        }
    }

    /// The next message; `None` when the client has sent its last one.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            if let Some(message) = self.whole().map_err(Broken::Message)? {
                return Poll::Ready(Ok(Some(message)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
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

    /// The one message of a unary call.
    ///
    /// # Errors
    /// The status that the call is answered with.
    pub(super) async fn only(mut self) -> Result<Bytes, Status> {
        let mut next = async || {
            std::future::poll_fn(|context| self.poll_next(context))
                .await
                .map_err(Broken::into_status)
        };
        let message = next().await?;
        let message = message.ok_or_else(|| Status::internal("the call has no message"))?;
        match next().await? {
            None => Ok(message),
            Some(_) => Err(Status::internal("the call has more than one message")),
        }
    }

    /// The next message if it has arrived completely.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some([flag, length @ ..]) = self.rest.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if *flag != 0 {
            return Err(Status::internal(
                "the message is compressed, and grpc-encoding does not say how",
            ));
        }
        if length > self.max {
            return Err(Status::out_of_range(format!(
                "the message has {length} bytes; the limit is {} bytes",
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
        let mut joined = before
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&*shared));
        joined.extend_from_slice(&data);
        self.rest = joined.freeze();
    }
}

impl Broken {
    fn into_status(self) -> Status {
        match self {
            Self::Transport(error) => {
                let cause = Status::from_error(error.into_inner());
                if cause.code() == tonic::Code::Cancelled {
                    return cause;
                }
                Status::internal(format!("the call broke off: {}", cause.message()))
            }
            Self::Message(status) => status,
        }
    }
}

/// Refuses a compressed request.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Status::unimplemented(
            "grpc-encoding has to be identity: this server decompresses no messages",
        )),
    }
}
