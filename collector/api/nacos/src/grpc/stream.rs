//! The stream of a connection: the client's messages, and the pushes of the server.
//!
//! The answer to the call is a body, which is polled while the client reads it. The same polls read the client's messages. So a
//! connection needs no task, and the server stops reading from a client that does not read. Pushes are created when they can be
//! sent, so a slow client gets the latest state and earlier states take no memory.
//!
//! The connection ends when this body is dropped. That happens when the client, the transport or the server ends the stream.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Frame as BodyFrame;
use rollcall_catalog::Subscription;
use rollcall_domain::liveness::Cause;
use rollcall_link::{Seen, own_goaway};
use rollcall_server::face::{Broken, Messages};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    answer,
    connection::{Connection, Due, Message, Reason},
    envelope::Envelope,
    face::Face,
    frame::Frame,
    kind::Sent,
    request::{Ack, Setup},
};

/// Messages of the client that one poll reads before it sends.
const MOST_AT_ONCE: usize = 32;
/// How long a client may stay connected after it received the request to reconnect. A client connects elsewhere first and then
/// closes this connection. If its stream ended before, a Java client would take that for a second failure and change the server
/// twice; what it has registered at the one in between would end with that connection.
const FAREWELL: Duration = Duration::from_secs(3);

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The body of the answer.
pub(super) struct Stream {
    face: Arc<Face>,
    connection: Arc<Connection>,
    inbound: Messages,
    /// The link of the transport, which records why this server closes it.
    link: Option<Arc<Seen>>,
    /// The unsent rest of a message.
    tail: Bytes,
    /// Waits for the next subscription that is due; absent before the set-up.
    next: Option<BoxFuture<'static, Arc<Subscription>>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The time that the client has left; set when this server stops.
    farewell: Option<Pin<Box<Sleep>>>,
    /// Why the stream is refused, for the client.
    refusal: Option<String>,
    is_over: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(face: Arc<Face>, connection: Arc<Connection>, inbound: Messages) -> Self {
        let stop = Box::pin(face.stop.clone().cancelled_owned());
        face.metrics.opened();
        Self {
            face,
            connection,
            inbound,
            link: rollcall_link::kept(),
            tail: Bytes::new(),
            next: None,
            stop,
            farewell: None,
            refusal: None,
            is_over: false,
        }
    }

    /// Reads the messages that the client has sent.
    fn poll_inbound(&mut self, context: &mut Context<'_>) {
        for _ in 0..MOST_AT_ONCE {
            let Poll::Ready(message) = self.inbound.poll_next(context) else {
                return;
            };
            match message {
                Ok(Some(message)) => self.take(&message),
                Ok(None) => return self.end(Reason::Client),
                Err(Broken::Transport(error)) => return self.end(reason_of(&error)),
                Err(Broken::Message(status)) => {
                    self.refusal = Some(status.message().to_owned());
                    return self.end(Reason::Garbage);
                }
            }
            if self.connection.ended().is_some() {
                return;
            }
        }
        context.waker().wake_by_ref();
    }

    /// Handles a message of the client. An unreadable message is skipped, as in the reference.
    fn take(&mut self, message: &Bytes) {
        let Ok(envelope) = Envelope::read(message) else {
            tracing::debug!(
                connection = self.connection.text(),
                "message without an envelope on a stream"
            );
            return;
        };
        let now = self.face.now();
        self.connection.touch(now);
        match Sent::of(envelope.kind()) {
            Sent::Setup => {
                if let Some(setup) = Setup::read(&envelope.body) {
                    self.set_up(&setup, envelope.client_ip());
                }
            }
            Sent::Ack => {
                if let Some(ack) = Ack::read(&envelope.body)
                    && let Some(number) = ack.number()
                    && let Some(lapsed) =
                        self.connection.acknowledge(number, ack.is_accepted(), now)
                {
                    self.face.metrics.lapsed(lapsed);
                }
            }
            Sent::Reset | Sent::Other => {}
        }
    }

    /// Handles a set-up. A second set-up changes nothing, but is acknowledged again.
    fn set_up(&mut self, setup: &Setup<'_>, client_ip: &str) {
        if self.connection.session().is_none() {
            match self.face.announce(&self.connection, setup, client_ip) {
                Ok(session) => {
                    self.next = Some(next_due(&session.outbox));
                    self.connection.set_up(session);
                }
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    return self.end(Reason::Refused);
                }
            }
        }
        if setup.ability_table.0 {
            self.connection.send(Message::SetupAck);
        }
    }

    /// Ends the connection. If this server has closed the connection, that is the reason, whatever the client and the transport did
    /// afterwards.
    fn end(&self, reason: Reason) {
        let closing = self.link.as_ref().and_then(|link| link.closing());
        let reason = match (reason, closing.and_then(Reason::of_closing)) {
            (
                Reason::Client
                | Reason::Broken
                | Reason::Reset
                | Reason::OverLimit
                | Reason::Garbage,
                Some(why),
            ) => why,
            _ => reason,
        };
        self.connection.end(reason);
    }

    /// Sends the client the request to reconnect when this server stops, and ends the stream a little later.
    fn poll_stop(&mut self, context: &mut Context<'_>) {
        if let Some(farewell) = &mut self.farewell {
            if farewell.as_mut().poll(context).is_ready() {
                self.end(Reason::Stop);
            }
        } else if self.stop.as_mut().poll(context).is_ready() {
            if self.connection.session().is_none() {
                return self.end(Reason::Stop);
            }
            self.connection.send(Message::Reset);
            let mut farewell = Box::pin(sleep(FAREWELL));
            // Registers the timer.
            if farewell.as_mut().poll(context).is_pending() {
                self.farewell = Some(farewell);
            }
        }
    }

    /// The next message for the client; `None` at the end.
    fn poll_outbound(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        loop {
            if let Poll::Ready(due) = self.connection.poll_due(context) {
                let frame = match due {
                    Due::End(_) => return Poll::Ready(None),
                    Due::Message(message) => Some(self.message(message)),
                    Due::Watch(pattern) => self.face.watched(&self.connection, &pattern),
                };
                match frame {
                    Some(frame) => return Poll::Ready(Some(frame)),
                    None => continue,
                }
            }
            let Some(next) = &mut self.next else {
                return Poll::Pending;
            };
            let subscription = ready!(next.as_mut().poll(context));
            let Some(session) = self.connection.session() else {
                return Poll::Pending;
            };
            *next = next_due(&session.outbox);
            if let Some(frame) = self.face.push(&self.connection, &subscription) {
                return Poll::Ready(Some(frame));
            }
        }
    }

    fn message(&self, message: Message) -> Frame {
        let own = self.face.own_ip();
        match message {
            Message::SetupAck => answer::setup_ack(own),
            Message::Detection => answer::detection(own, self.face.number()),
            Message::Reset => answer::reset(own, self.face.number(), self.connection.text()),
        }
    }

    fn trailers(&self) -> HeaderMap {
        let code = match self.connection.ended() {
            Some(Reason::Garbage) => "13",
            Some(Reason::Refused) => "8",
            _ => "0",
        };
        let mut trailers = HeaderMap::new();
        trailers.insert(GRPC_STATUS, HeaderValue::from_static(code));
        if let Some(text) = &self.refusal
            && let Ok(text) = HeaderValue::from_str(text)
        {
            trailers.insert(GRPC_MESSAGE, text);
        }
        trailers
    }
}

fn next_due(outbox: &rollcall_catalog::Outbox) -> BoxFuture<'static, Arc<Subscription>> {
    let outbox = outbox.clone();
    Box::pin(async move { outbox.next().await })
}

/// Why the connection ended, from the error of its transport. hyper exports no type for the other ends of HTTP/2, so the text of the
/// error is searched.
fn reason_of(error: &axum::Error) -> Reason {
    match own_goaway(error) {
        Some(Cause::OverLimit) => return Reason::OverLimit,
        Some(_) => return Reason::Garbage,
        None => {}
    }
    let text = format!("{error:?}");
    // Most clients cancel their stream when they leave.
    if text.contains("CANCEL") || text.contains("NO_ERROR") {
        Reason::Client
    } else if text.contains("ConnectionReset") {
        Reason::Reset
    } else {
        Reason::Broken
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if !this.tail.is_empty() {
            let tail = std::mem::take(&mut this.tail);
            return Poll::Ready(Some(Ok(BodyFrame::data(tail))));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        this.poll_inbound(context);
        this.poll_stop(context);
        Poll::Ready(Some(Ok(match ready!(this.poll_outbound(context)) {
            Some(Frame { head, tail }) => {
                this.tail = tail;
                BodyFrame::data(head)
            }
            None => {
                this.is_over = true;
                BodyFrame::trailers(this.trailers())
            }
        })))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The transport's error is the reason, unless one is recorded.
        if self.connection.ended().is_none() {
            self.poll_inbound(&mut Context::from_waker(Waker::noop()));
        }
        self.end(Reason::Broken);
        self.face.close(&self.connection);
    }
}
