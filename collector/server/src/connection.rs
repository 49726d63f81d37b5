//! One connection, from its first byte to its end.
//!
//! A connection ends by itself, or is closed here, for example because its peer does not read its answers, floods it with control
//! frames, or makes no progress during a drain.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use rollcall_limits::{Budget, Peer};
use rollcall_link::{Closing, Link, Linked};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::accept::Seat;
use super::acknowledged;
use super::calls::Calls;
use super::complaints::RefusalWarnings;
use super::drain::{CHECK_INTERVAL, Drained, drained};
use super::exchange::Exchanging;
use super::frames::Frames;
use super::inbound::Inbound;
use super::introduce::WithPeer;
use super::protocol::{Protocol, Protocols};
use super::secure::{self, Failure};
use super::stream::{Rewound, Stream};
use super::traffic::{CONNECTION_COST, Traffic};
use super::turns::{Turns, when_woken};
use super::wire::Wire;
use super::{Closed, Open, Serving};

mod head;
mod served;
mod stall;
#[cfg(test)]
mod tests;

use served::Served;
use stall::Stall;

/// The time in which a peer can receive GOAWAY before its connection is closed.
const LINGER: Duration = Duration::from_secs(2);

/// The longest time for a brief connection.
const BRIEF: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) serving: Arc<Serving>,
    pub(super) protocols: Arc<Protocols>,
    /// Tracks the tasks of the listener, for which a drain waits.
    pub(super) tasks: TaskTracker,
    /// Cancelled when the connection must finish its requests and close.
    pub(super) stop: CancellationToken,
    /// Dropped before `open`, so that a brief connection is never subtracted from connections that no longer include it.
    pub(super) seat: Seat,
    pub(super) open: Open,
    pub(super) peer: Peer,
    pub(super) remote: SocketAddr,
    pub(super) complaints: Arc<RefusalWarnings>,
    /// The age at which the collector requests the end of the connection.
    pub(super) age: Option<Duration>,
    pub(super) link: Link,
}

/// Why the collector requests the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The listener stops.
    Stop,
    /// The connection reached its maximum age.
    Age,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// Hyper finished serving the connection, or the connection failed.
    Ended(Result<(), BoxError>),
    /// The peer did not read its answers.
    Stalled,
    /// The peer sent too many control frames.
    Flooded,
    /// The peer opened too many streams that were refused.
    OverBudget,
}

impl End {
    /// The reason for which the collector must close the connection; `None` if it need not.
    fn reason(&self) -> Option<Closed> {
        match self {
            Self::Ended(Ok(())) => None,
            Self::Ended(Err(error)) => {
                debug!(error = &**error, "connection failed");
                None
            }
            Self::Stalled => Some(Closed::Unread),
            Self::Flooded => Some(Closed::Flood),
            Self::OverBudget => Some(Closed::OverBudget),
        }
    }
}

impl Connection {
    /// Serves the connection as long as its seat allows.
    pub(super) async fn run<S, B>(self, stream: TcpStream, service: S)
    where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Seat::Brief(brief) = &self.seat else {
            return self.serve(stream, service).await;
        };
        let replaced = brief.replaced.clone();
        tokio::select! {
            biased;
            () = replaced.cancelled() => debug!("brief connection replaced by a newer one"),
            () = sleep(BRIEF) => debug!("brief connection timed out"),
            () = self.serve(stream, service) => {}
        }
    }

    async fn serve<S, B>(self, stream: TcpStream, service: S)
    where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let budgets = self.serving.budgets.shares(self.peer);
        let Ok(charge) = budgets.connections.try_charge(CONNECTION_COST) else {
            return self.open.close(Closed::OverBudget);
        };
        let local = stream.local_addr().ok();
        let Some((protocol, stream)) = self.detect(stream, &budgets.connections).await else {
            return;
        };
        // `report_end` uses the address only for HTTP/2, whose peers are pinged. An HTTP/1 peer may be idle until its time-out.
        let local = local.filter(|_| protocol == Protocol::Http2);
        if matches!(self.seat, Seat::Brief(_)) && protocol == Protocol::Http2 {
            return self.open.close(Closed::NoRoom);
        }
        let traffic = Traffic::new(
            budgets,
            Arc::clone(&self.serving),
            self.open.stats(),
            protocol,
            charge,
        );
        let (tasks, mut calls) = (self.tasks.clone(), Calls::default());
        let address = (protocol, local);
        self.serve_calls(stream, service, &traffic, address, &mut calls)
            .await;
        calls.outlive(&tasks);
    }

    /// Serves the connection until it has ended or is closed.
    async fn serve_calls<S, B>(
        self,
        stream: Rewound<Stream>,
        service: S,
        traffic: &Arc<Traffic>,
        (protocol, local): (Protocol, Option<SocketAddr>),
        calls: &mut Calls,
    ) where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let service = self.exchanging(service, traffic);
        let frames = (protocol == Protocol::Http2).then(Frames::new);
        let wire = Wire::new(stream, traffic, frames);
        let is_brief = matches!(self.seat, Seat::Brief(_));
        let builder = if is_brief {
            self.protocols.brief(calls.begun())
        } else {
            self.protocols.builder(protocol, calls.begun())
        };
        let connection = pin!(builder.serve_connection(TokioIo::new(wire), service));
        let mut served = Served {
            connection,
            calls: (protocol == Protocol::Http2).then_some(calls),
            turns: Turns::default(),
            stall: Stall::new(),
            traffic: Arc::clone(traffic),
        };
        let head_timeout = self.protocols.header_timeout(is_brief);
        let mut is_close_requested = false;
        let end = tokio::select! {
            biased;
            end = poll_fn(|context| served.poll_end(context)) => end,
            late = when_woken(head::overdue(traffic, head_timeout)), if protocol == Protocol::Http1 => End::Ended(Err(late)),
            cause = when_woken(self.close_requested()) => {
                is_close_requested = true;
                self.link.closing(Closing::Requested);
                served.connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased; // the drain changes how the connection ends
                    () = self.drain(cause, traffic) => return,
                    end = poll_fn(|context| served.poll_end(context)) => end,
                }
            }
        };
        let Some(why) = end.reason() else {
            // The socket is open until the end of this function.
            return self.report_end(&end, is_close_requested, local, traffic);
        };
        self.close(why);
        // A peer that was requested to close has a GOAWAY already.
        if is_close_requested || !traffic.send_goaway(why) {
            served.connection.as_mut().graceful_shutdown();
        }
        served.linger(why).await;
    }

    /// The service of one connection: its requests are counted, carry the peer, and run within the link.
    fn exchanging<S>(&self, service: S, traffic: &Arc<Traffic>) -> Exchanging<WithPeer<Linked<S>>> {
        Exchanging {
            service: WithPeer {
                service: self.link.around(service),
                peer: self.peer,
            },
            traffic: Arc::clone(traffic),
        }
    }

    /// Reports to the link why the connection ended, unless this collector closed it. `local` is the address of its socket, which is
    /// still open at this point.
    fn report_end(
        self,
        end: &End,
        is_close_requested: bool,
        local: Option<SocketAddr>,
        traffic: &Traffic,
    ) {
        let remote = self.remote;
        // An answer that came late, or that a stalled collector has not read, says nothing about the peer's process or machine.
        let is_known = !traffic.is_late() && !self.protocols.pings().has_stalled();
        let queries = self.serving.queries.clone();
        let acknowledged = || {
            let local = local.filter(|_| is_known)?;
            queries.run(|| acknowledged::read(local, remote))
        };
        match end {
            End::Ended(Ok(())) if !is_close_requested => self.link.ended(None),
            End::Ended(Err(error)) => match self.link.failed(&**error, acknowledged) {
                Some(Closing::OverLimit) => self.open.close(Closed::Flood),
                Some(Closing::Violation) => self.open.close(Closed::Violation),
                _ => {}
            },
            _ => {}
        }
    }

    /// Completes the handshake and detects the protocol. Returns `None`, and counts the reason, if the connection cannot be served.
    async fn detect(
        &self,
        stream: TcpStream,
        budget: &Budget,
    ) -> Option<(Protocol, Rewound<Stream>)> {
        let serving = &self.serving;
        let deadline = Instant::now() + serving.limits.handshake_timeout;
        let security = serving.security.as_ref();
        let stats = self.open.stats();
        let opening = secure::open(stream, security, self.peer, (budget, &stats), deadline);
        let opened = tokio::select! {
            biased;
            opened = opening => opened,
            () = self.stopped_and_waited() => return None,
        };
        match opened {
            Ok(opened) => return Some(opened),
            Err(Failure::Lost(error)) => {
                debug!(%error, "connection ended before it showed a protocol");
            }
            Err(Failure::Refused(why, reason)) => {
                self.complaints.refused(self.remote, &reason);
                self.open.close(why);
            }
        }
        None
    }

    /// Records why this collector closes the connection.
    fn close(&self, why: Closed) {
        self.open.close(why);
        self.link.closing(match why {
            Closed::Unread => Closing::Unread,
            _ => Closing::OverLimit,
        });
    }

    /// Returns [`CHECK_INTERVAL`] after a stop: enough to detect the protocol of a request that arrived before the stop.
    async fn stopped_and_waited(&self) {
        self.stop.cancelled().await;
        sleep(CHECK_INTERVAL.min(self.serving.grace)).await;
    }

    async fn close_requested(&self) -> Cause {
        let Some(age) = self.age else {
            self.stop.cancelled().await;
            return Cause::Stop;
        };
        match timeout(age, self.stop.cancelled()).await {
            Ok(()) => Cause::Stop,
            Err(_elapsed) => Cause::Age,
        }
    }

    /// Waits until the connection may be closed. A stop restarts the drain of a connection that has reached its maximum age. Its
    /// requests then get the whole grace of the stop, and those that are cut off are reported.
    async fn drain(&self, cause: Cause, traffic: &Traffic) {
        let grace = self.serving.grace;
        if cause == Cause::Age {
            self.open.close(Closed::Age);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                drained = drained(traffic, grace) => return debug!(?drained, "closing an old connection"),
            }
        }
        traffic.drain();
        match drained(traffic, grace).await {
            Drained::CutOff(requests) => self.open.cut_off(requests),
            Drained::Idle => debug!("closing a peer that has all its answers or makes no progress"),
        }
    }
}
