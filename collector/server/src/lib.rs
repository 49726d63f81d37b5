//! The listener stack of every face: binds, accepts, detects HTTP/1 or HTTP/2, and stops without losing a request.
//!
//! [`bind`] binds a port, [`Bound::listen`] listens on it, and [`Listening::serve`] serves it. HTTP/1.1 and HTTP/2 with prior
//! knowledge (used by gRPC agents without TLS) share every listener.
//!
//! A listener with [`Security`] serves TLS, alone or beside plain connections on the same port.
//!
//! A peer that makes no progress is closed. A new connection must show its protocol within [`Limits::handshake_timeout`], complete
//! an HTTP/1 header within [`Limits::header_timeout`], continue a body within [`Limits::read_timeout`] and read an answer within
//! [`Limits::write_timeout`]. An HTTP/2 peer must answer a ping within [`Limits::ping_timeout`]. A peer that ends its direction of
//! an HTTP/1 connection abandons its unanswered requests.
//!
//! [`Budgets`] limits the memory of all listeners together: the bytes of request bodies, the bytes of answers, and the cost of
//! each connection and stream. One peer may hold at most three quarters of each. The faces decide how long a call may take.

#![warn(missing_docs)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use rollcall_limits::{Budget, Peer};
use rollcall_link::Links;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

mod accept;
mod acknowledged;
mod age;
mod calls;
mod complaints;
mod connection;
mod deadline;
mod drain;
mod exchange;
mod exposition;
pub mod face;
mod fault;
mod frames;
mod handshakes;
mod inbound;
mod introduce;
mod linger;
mod listen;
mod message;
mod outbound;
mod ping;
mod protocol;
mod refusal;
mod room;
mod secure;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
mod traffic;
mod turns;
mod wire;

use self::accept::Acceptor;
use self::complaints::RefusalWarnings;
use self::connection::Connection;
use self::protocol::Protocols;
use self::stats::Open;

pub use self::acknowledged::Queries;
pub use self::exposition::Exposition;
pub use self::fault::Fault;
pub use self::handshakes::Handshakes;
pub use self::inbound::Inbound;
pub use self::listen::{BindError, Bound, Listening, bind};
pub use self::outbound::Paid;
pub use self::room::{Full, Room};
pub use self::secure::{Security, Serves};
pub use self::stats::{Closed, Stats};

/// The limits of one listener for its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most standing connections at a time. A further connection is served a single HTTP/1 request, or closed at once.
    pub max_connections: usize,
    /// The age at which the collector requests the end of a connection; the actual age is up to a fifth less. `None`: never.
    pub max_connection_age: Option<Duration>,
    /// The longest time until a new connection shows its protocol.
    pub handshake_timeout: Duration,
    /// The longest time for a request header over HTTP/1. Between two requests a connection may be idle for an eighth longer.
    pub header_timeout: Duration,
    /// The largest header section, in bytes; at least 8 KiB.
    pub max_header_size: usize,
    /// The most concurrent requests on one HTTP/2 connection.
    pub max_streams_per_connection: usize,
    /// The longest time in which a peer that owes bytes of a request sends less than one KiB.
    pub read_timeout: Duration,
    /// The longest time in which a peer reads nothing of its answers.
    pub write_timeout: Duration,
    /// The time without a frame after which an HTTP/2 peer is pinged.
    pub ping_interval: Duration,
    /// The longest time for the peer to answer the ping; then its connection is closed.
    pub ping_timeout: Duration,
}

/// The memory budgets that all listeners share, or the shares of one peer in them.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Bytes of request bodies that are not decoded yet.
    pub requests: Budget,
    /// Bytes of answers that the peers have not read.
    pub answers: Budget,
    /// Bytes of streams that wait for room in `answers`; see [`Budgets::waiting`].
    pub waiting: Budget,
    /// Bytes of all other memory of connections and streams.
    pub connections: Budget,
}

impl Budgets {
    /// A budget for the streams that wait for room in a budget of answers with this limit: an eighth of it, or the bytes of one
    /// long list.
    #[must_use]
    pub fn waiting(answers: usize) -> Budget {
        Budget::new("waiting", (answers / 8).max(4 << 20))
    }

    /// The shares of `peer`.
    fn shares(&self, peer: Peer) -> Self {
        let Self {
            requests,
            answers,
            waiting,
            connections,
        } = self;
        Self {
            requests: requests.share(peer),
            answers: answers.share(peer),
            waiting: waiting.share(peer),
            connections: connections.share(peer),
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Limits {
    /// Limits for servers in tests; a well-behaved peer never reaches them.
    pub const fn generous() -> Self {
        Self {
            max_connections: 1000,
            max_connection_age: None,
            handshake_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(20),
            max_header_size: 16 << 10,
            max_streams_per_connection: 16,
            read_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(20),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// How one listener serves.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The limits for its peers.
    pub limits: Limits,
    /// How long requests in progress may take after the listener stops or their connection reaches its maximum age.
    pub grace: Duration,
    /// The connection limits that all listeners share.
    pub room: Room,
    /// The TLS of this listener; `None` if it serves plain connections only.
    pub security: Option<Security>,
    /// Whether any of its faces serves HTTP/1, so that a connection over the limit can be served one request.
    pub has_http: bool,
    /// Whether its answers over HTTP/1 are often large. If so, answers are written without a copy, which is slower for small ones.
    pub has_large_answers: bool,
    /// The memory budgets, shared with the other listeners.
    pub budgets: Budgets,
    /// The largest gRPC message that any of its faces accepts, in bytes.
    pub max_message_size: usize,
    /// The paths of streaming gRPC calls, without the leading slash. Streams have no time limit and may be idle.
    pub streams: Arc<HashSet<&'static str>>,
    /// Reports the ends of connections to their observer.
    pub links: Links,
    /// Bounds the queries about peers that do not answer; all listeners share the limits.
    pub queries: Queries,
}

impl Serving {
    /// These settings, with the ends of connections reported to the observer of `links`.
    #[must_use]
    pub fn linked(self, links: &Links) -> Self {
        Self {
            links: links.clone(),
            ..self
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Serving {
    /// Settings for servers in tests, with [`Limits::generous`].
    pub fn generous() -> Self {
        let budget = |name| Budget::new(name, 64 << 20);
        Self {
            limits: Limits::generous(),
            grace: Duration::from_secs(20),
            room: Room::new(None, 1, usize::MAX),
            security: None,
            has_http: false,
            has_large_answers: false,
            budgets: Budgets {
                requests: budget("requests"),
                answers: budget("answers"),
                waiting: budget("waiting"),
                connections: budget("connections"),
            },
            max_message_size: 4 << 20,
            streams: Arc::default(),
            links: Links::default(),
            queries: Queries::default(),
        }
    }
}

/// Requests were still in progress at the end of a drain's grace; their connections were closed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{requests} requests to {address} were still in progress at the end of the grace, and were cut off"
)]
pub struct CutOff {
    /// The listener.
    pub address: SocketAddr,
    /// The number of requests.
    pub requests: usize,
}

// === impl Listening ===

impl Listening {
    /// Serves until `cancel`. Then it stops accepting, requests every peer to close (GOAWAY, `Connection: close`), and waits for
    /// the requests in progress, at most for the grace. It does not wait for a peer that has its answers but does not close, nor
    /// for a peer without progress: one whose requests and answers move by less than one KiB in three seconds.
    ///
    /// # Errors
    /// Requests were still in progress at the end of the grace.
    pub async fn serve<S, B>(
        self,
        service: S,
        serving: Serving,
        cancel: CancellationToken,
    ) -> Result<(), CutOff>
    where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let tasks = TaskTracker::new();
        let accepting = self.accept_all(&service, serving, &tasks, &cancel);
        cancel.run_until_cancelled(accepting).await;
        let Self {
            listener,
            address,
            stats,
        } = self;
        drop(listener);
        info!(%address, connections = stats.open(), "draining");
        tasks.close();
        tasks.wait().await;
        match stats.cut_off() {
            0 => Ok(()),
            requests => Err(CutOff { address, requests }),
        }
    }

    /// Serves until `work` is done, then ends its connections. The port stays open.
    pub async fn serve_during<S, B, T>(
        &self,
        service: S,
        serving: Serving,
        work: impl Future<Output = T>,
    ) -> T
    where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let done = tokio::select! {
            biased;
            done = work => done,
            never = self.accept_all(&service, serving, &tasks, &stop) => match never {},
        };
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        done
    }

    async fn accept_all<S, B>(
        &self,
        service: &S,
        serving: Serving,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Infallible
    where
        S: Service<Request<Inbound<Incoming>>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let protocols = Arc::new(Protocols::new(&serving, &self.stats));
        let complaints = Arc::new(RefusalWarnings::new(self.address));
        let mut acceptor = Acceptor::new(&self.listener, &serving, &self.stats);
        let serving = Arc::new(serving);
        loop {
            let (stream, remote, seat) = acceptor.accept().await;
            let connection = Connection {
                serving: Arc::clone(&serving),
                protocols: Arc::clone(&protocols),
                tasks: tasks.clone(),
                // A child token, because all connections that wait on one token share its lock.
                stop: stop.child_token(),
                seat,
                open: Open::new(&self.stats),
                peer: Peer::new(remote.ip()),
                remote,
                complaints: Arc::clone(&complaints),
                age: age::draw(serving.limits.max_connection_age),
                link: serving.links.open(remote),
            };
            tasks.spawn(connection.run(stream, service.clone()));
        }
    }
}
