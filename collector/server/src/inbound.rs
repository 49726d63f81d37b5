//! Request bodies: charged for the memory that they hold, and limited in the time they may stall.
//!
//! A limit per message does not bound the sum: a few hundred peers that send the largest message at once would exceed any
//! memory. So each body charges the budget `requests` before it holds bytes, and a request for which the budget has no room is
//! refused.
//!
//! * A gRPC body yields whole messages only. It keeps the parts of a message until the last one has arrived, so memory follows
//!   received bytes and never an announced length. A decoder that polls for more has consumed all bytes it got, so the charge for
//!   them ends then, even in the middle of a stream.
//! * Any other body is charged until its request is answered.
//!
//! The first KiB is free, enough for a registration or a heartbeat; the cost of a stream includes it.
//!
//! A peer that owes bytes must send some within [`Limits::read_timeout`](super::Limits::read_timeout). Between two messages of a
//! gRPC stream it owes none, because agents may keep a stream open for days.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use rollcall_limits::Charge;
use tokio::time::{Sleep, sleep};

use super::fault::Fault;
use super::message::Messages;
use super::traffic::{Reading, Traffic};

#[cfg(test)]
mod tests;

/// The bytes of a body that are held without a charge.
const FREE: usize = 1 << 10;

/// The fewest bytes that a peer that owes bytes must send in each timeout.
const LEAST: usize = 1 << 10;

pin_project! {
    /// The body of a request. Fails with a [`Fault`], or with the error of the wrapped body.
    #[derive(Debug)]
    pub struct Inbound<B>
    where
        B: Body<Data = Bytes>,
    {
        #[pin]
        body: B,
        // Absent for a request without a body.
        reader: Option<Reader>,
    }

    impl<B> PinnedDrop for Inbound<B>
    where
        B: Body<Data = Bytes>,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let Some(reader) = this.reader.take() else {
                return;
            };
            let exchange = reader.reading.exchange();
            if !exchange.is_read() {
                discard(this.body, reader.reading.traffic());
            }
            // A handler that has read a plain body holds its bytes. Messages are dropped with their decoder.
            if reader.messages.is_none() {
                exchange.keep(reader.charge);
            }
        }
    }
}

/// How a body is read.
#[derive(Debug)]
struct Reader {
    reading: Reading,
    /// Assembles the messages of a gRPC body.
    messages: Option<Messages>,
    charge: Charge,
    /// Bytes that were yielded and are still held.
    yielded: usize,
    patience: Patience,
}

/// Discards the received bytes of a body that is not read, so that their charge ends. If h2 discarded them, it would not report
/// that.
pub(super) fn discard<B>(mut body: Pin<&mut B>, traffic: &Traffic)
where
    B: Body<Data = Bytes>,
{
    if traffic.is_http1() {
        return; // bytes of its bodies are charged when they are read
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut discarded = 0;
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
    traffic.receive(discarded);
}

impl<B> Inbound<B>
where
    B: Body<Data = Bytes>,
{
    /// A request without a body.
    pub(super) fn empty(body: B) -> Self {
        Self { body, reader: None }
    }

    pub(super) fn new(body: B, reading: Reading) -> Self {
        let serving = &reading.traffic().serving;
        let is_grpc = reading.exchange().is_grpc;
        let messages = is_grpc.then(|| Messages::new(serving.max_message_size));
        let reader = Reader {
            messages,
            charge: reading.traffic().budgets.requests.nothing(),
            yielded: 0,
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
            let delivered = reader.reading.traffic().delivered();
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(context) else {
                return reader
                    .poll_overdue(delivered, context)
                    .map(|fault| Some(Err(fault.into())));
            };
            reader.reading.set_waiting(false);
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if this.body.is_end_stream() {
                            reader.complete(); // a handler that knows the length does not read on
                        }
                        if let Some(data) = reader.take(data)? {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Err(frame) => match reader.end() {
                        // The decoder fails on the torn message and does not read the trailers.
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
    /// The next bytes of received messages. A decoder that polls again has consumed the previous bytes.
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(messages) = &mut self.messages else {
            return Ok(None);
        };
        if !messages.has_more_blocks() {
            self.yielded = 0;
        }
        let next = messages.next();
        if let Some(bytes) = &next {
            self.yielded += bytes.len();
            self.patience.stop();
        }
        self.pay()?;
        Ok(next)
    }

    /// Adds received bytes. Returns them if they are to be yielded unchanged.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Fault> {
        self.reading.traffic().receive(data.len());
        self.patience.see(data.len());
        match &mut self.messages {
            Some(messages) => {
                messages.push(data);
                Ok(None)
            }
            None => {
                self.yielded += data.len();
                self.pay()?;
                Ok(Some(data))
            }
        }
    }

    /// Ends the body; returns a byte of the incomplete message, if there is one.
    fn end(&mut self) -> Option<Bytes> {
        self.complete();
        self.messages.as_mut().and_then(Messages::end)
    }

    /// Records that the last byte of the body has arrived.
    fn complete(&self) {
        self.reading.exchange().end_body();
        self.reading.traffic().end_message();
    }

    /// Charges for the bytes held now.
    fn pay(&mut self) -> Result<(), Fault> {
        let held = self.yielded + self.messages.as_ref().map_or(0, Messages::held);
        let due = if held <= FREE { 0 } else { held };
        let paid = self.charge.bytes();
        if due < paid {
            self.charge.shrink(paid - due);
        } else if due > paid
            && let Err(over) = self.charge.try_grow(due - paid)
        {
            return Err(self.reading.exchange().fail(over.into()));
        }
        Ok(())
    }

    /// Waits for the peer on behalf of the handler, at most the read timeout. The body had nothing after `delivered` bytes.
    fn poll_overdue(&mut self, delivered: usize, context: &mut Context<'_>) -> Poll<Fault> {
        self.reading.set_waiting(true);
        self.reading.traffic().infer_discarded(delivered);
        if self.messages.as_ref().is_some_and(|m| !m.is_partial()) {
            self.patience.stop();
            return Poll::Pending;
        }
        ready!(self.patience.poll_overdue(context));
        let fault = Fault::TooSlow(self.patience.timeout);
        Poll::Ready(self.reading.exchange().fail(fault))
    }
}

/// Limits the time in which a peer that owes bytes sends less than [`LEAST`].
#[derive(Debug)]
struct Patience {
    timeout: Duration,
    /// Runs while the peer owes bytes.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Bytes received since the timer was started.
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

    /// Stops the timer: the peer owes nothing.
    fn stop(&mut self) {
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
