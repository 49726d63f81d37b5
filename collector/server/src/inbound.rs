//! Request bodies: charged for what they make the collector hold, and not waited for without end.
//!
//! A limit per message does not bound the sum: a few hundred peers that send the largest message at once would exceed any
//! memory. So each body charges the budget `requests` before it holds bytes, and a request that the budget cannot carry is
//! refused.
//!
//! * A gRPC body hands over whole messages only. It keeps the parts of a message until the last one is there, so memory
//!   follows the bytes that arrived and never a length that was merely announced. A reader that asks for more has decoded
//!   all it was given: that is when the charge ends, in the middle of a stream too.
//! * Any other body is charged until its request is answered.
//!
//! The first KiB is free, which is what a registration or a heartbeat needs; the cost of a stream includes it.
//!
//! A peer that owes bytes has [`Limits::read_timeout`](super::Limits::read_timeout) to send some. It owes none between two
//! messages of a gRPC stream: agents may hold a stream open for days.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use rollcall_limits::Charge;
use tokio::time::{Sleep, sleep};

use super::fault::{Exchange, Fault};
use super::message::Messages;
use super::traffic::Reading;

#[cfg(test)]
mod tests;

/// What is held without a charge, in bytes.
const FREE: usize = 1 << 10;

/// The least that a peer which owes bytes has to send in each timeout, in bytes.
const LEAST: usize = 1 << 10;

pin_project! {
    /// The body of a request. Fails with a [`Fault`], or as the wrapped body fails.
    #[derive(Debug)]
    pub struct Inbound<B> {
        #[pin]
        body: B,
        // Absent for a request without a body.
        reader: Option<Reader>,
    }

    impl<B> PinnedDrop for Inbound<B> {
        fn drop(this: Pin<&mut Self>) {
            // A handler that has read all of a body holds its bytes. Messages are gone with their decoder.
            if let Some(reader) = this.project().reader.take()
                && reader.messages.is_none()
            {
                reader.exchange.keep(reader.charge);
            }
        }
    }
}

/// How a body is read.
#[derive(Debug)]
struct Reader {
    exchange: Arc<Exchange>,
    reading: Reading,
    /// Puts the messages of a gRPC body together.
    messages: Option<Messages>,
    charge: Charge,
    /// Bytes that were handed over and are still held.
    given: usize,
    patience: Patience,
}

impl<B> Inbound<B> {
    /// A request without a body.
    pub(super) fn empty(body: B) -> Self {
        Self { body, reader: None }
    }

    pub(super) fn new(body: B, exchange: &Arc<Exchange>, reading: Reading) -> Self {
        let serving = &reading.traffic().serving;
        let messages = exchange
            .is_grpc
            .then(|| Messages::new(serving.max_message_size));
        let reader = Reader {
            exchange: Arc::clone(exchange),
            messages,
            charge: serving.budgets.requests.nothing(),
            given: 0,
            patience: Patience::new(serving.limits.read_timeout),
            reading,
        };
        Self {
            body,
            reader: Some(reader),
        }
    }
}

impl<B> Body for Inbound<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let Some(reader) = this.reader else {
            return this.body.poll_frame(context).map_err(Into::into);
        };
        loop {
            if let Some(bytes) = reader.next()? {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(context) else {
                return reader
                    .poll_overdue(context)
                    .map(|fault| Some(Err(fault.into())));
            };
            reader.reading.set_waiting(false);
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Some(data) = reader.take(data)? {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Err(frame) => match reader.end() {
                        // The decoder fails at it, and does not ask for the trailers.
                        Some(torn) => return Poll::Ready(Some(Ok(Frame::data(torn)))),
                        None => return Poll::Ready(Some(Ok(frame))),
                    },
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => match reader.end() {
                    Some(torn) => return Poll::Ready(Some(Ok(Frame::data(torn)))),
                    None => return Poll::Ready(None),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_done = |reader: &Reader| reader.messages.as_ref().is_none_or(|m| m.held() == 0);
        self.reader.as_ref().is_none_or(is_done) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.reader {
            Some(Reader {
                messages: Some(_), ..
            }) => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
}

// === impl Reader ===

impl Reader {
    /// The next bytes of messages that are here. A decoder that asks for more has used up what it was given.
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(messages) = &mut self.messages else {
            return Ok(None);
        };
        if !messages.is_handing_over() {
            self.given = 0;
        }
        let next = messages.next();
        if let Some(bytes) = &next {
            self.given += bytes.len();
            self.patience.rest();
        }
        self.pay()?;
        Ok(next)
    }

    /// Takes what has arrived; returns it if it is to be handed over as it is.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Fault> {
        self.reading.traffic().receive(data.len());
        self.patience.see(data.len());
        match &mut self.messages {
            Some(messages) => {
                messages.push(data);
                Ok(None)
            }
            None => {
                self.given += data.len();
                self.pay()?;
                Ok(Some(data))
            }
        }
    }

    /// The body has ended; returns a byte of the message that is not complete, if there is one.
    fn end(&mut self) -> Option<Bytes> {
        self.messages.as_mut().and_then(Messages::end)
    }

    /// Charges what is held now.
    fn pay(&mut self) -> Result<(), Fault> {
        let held = self.given + self.messages.as_ref().map_or(0, Messages::held);
        let due = if held <= FREE { 0 } else { held };
        let paid = self.charge.bytes();
        if due < paid {
            self.charge.shrink(paid - due);
        } else if due > paid
            && let Err(over) = self.charge.try_grow(due - paid)
        {
            return Err(self.exchange.fail(over.into()));
        }
        Ok(())
    }

    /// Waits with the handler for the peer, as long as the peer may take.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        self.reading.set_waiting(true);
        if self.messages.as_ref().is_some_and(|m| !m.is_partial()) {
            self.patience.rest();
            return Poll::Pending;
        }
        ready!(self.patience.poll_overdue(context));
        let fault = Fault::TooSlow(self.patience.timeout);
        Poll::Ready(self.exchange.fail(fault))
    }
}

/// How long a peer that owes bytes may send none.
#[derive(Debug)]
struct Patience {
    timeout: Duration,
    /// Runs while the peer owes bytes.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes since it was started.
    seen: usize,
}

impl Patience {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: None,
            seen: 0,
        }
    }

    fn see(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_add(bytes);
    }

    /// The peer owes nothing.
    fn rest(&mut self) {
        self.deadline = None;
    }

    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = match &mut self.deadline {
                Some(deadline) => deadline,
                None => {
                    self.seen = 0;
                    self.deadline.insert(Box::pin(sleep(self.timeout)))
                }
            };
            ready!(deadline.as_mut().poll(context));
            if self.seen < LEAST {
                return Poll::Ready(());
            }
            self.deadline = None;
        }
    }
}
