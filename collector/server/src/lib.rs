//! One listener stack for every face: bind, accept, tell HTTP/1 from HTTP/2, and stop without losing a request.
//!
//! A port is taken by [`bind`], listened on after [`Bound::listen`], and served by [`Listening::serve`]. HTTP/1.1 and HTTP/2
//! with prior knowledge (what gRPC agents speak, without TLS) share every listener.
//!
//! A peer that makes no progress is not waited for: a new connection has to show its protocol within
//! [`Limits::handshake_timeout`], an HTTP/1 header has to be complete within [`Limits::header_timeout`], a body that has
//! begun has to go on within [`Limits::read_timeout`], an answer has to be read within [`Limits::write_timeout`], and an
//! HTTP/2 peer has to answer a ping within 20 s.
//!
//! What all listeners hold together is bounded by [`Budgets`]: the bytes of request bodies, the bytes of answers, and what
//! each connection and each stream costs beside them. How long a call may take is for the face to decide.

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
mod age;
mod connection;
mod deadline;
mod drain;
mod exchange;
mod exposition;
pub mod face;
mod fault;
mod frames;
mod inbound;
mod introduce;
mod listen;
mod message;
mod outbound;
mod protocol;
mod refusal;
mod room;
mod stats;
#[cfg(test)]
mod tests;
mod timer;
mod traffic;
mod wire;

use self::accept::Acceptor;
use self::age::Ages;
use self::connection::Connection;
use self::protocol::Protocols;
use self::stats::Open;

pub use self::exposition::Exposition;
pub use self::fault::Fault;
pub use self::inbound::Inbound;
pub use self::listen::{BindError, Bound, Listening, bind};
pub use self::outbound::Paid;
pub use self::room::{Full, Room};
pub use self::stats::{Closed, Stats};

/// What one listener allows its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections that stay, at a time; one more is served one HTTP/1 request, or closed at once.
    pub max_connections: usize,
    /// After this long, or up to a fifth less, a connection is asked to end. `None`: never.
    pub max_connection_age: Option<Duration>,
    /// How long a new connection may take to show which protocol it speaks.
    pub handshake_timeout: Duration,
    /// How long a request header may take over HTTP/1; also how long a connection may stay idle between two requests.
    pub header_timeout: Duration,
    /// The largest header section, in bytes; 8 KiB at the least.
    pub max_header_size: usize,
    /// Requests under way at a time on one HTTP/2 connection.
    pub max_streams_per_connection: usize,
    /// How long a peer that owes bytes of a request may send none; less than one KiB is none.
    pub read_timeout: Duration,
    /// How long a peer may take nothing of its answers before its connection is closed.
    pub write_timeout: Duration,
}

/// What all listeners may hold together.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Bytes of request bodies that are not decoded.
    pub requests: Budget,
    /// Bytes of answers that the peers have not taken.
    pub answers: Budget,
    /// What connections and streams cost beside them.
    pub connections: Budget,
}

#[cfg(any(test, feature = "test-util"))]
impl Limits {
    /// For servers of tests: no peer that does what it should comes near them.
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
        }
    }
}

/// How one listener serves.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What it allows its peers.
    pub limits: Limits,
    /// How long requests under way may take when it stops, or when their connection has reached its maximum age.
    pub grace: Duration,
    /// The room that all listeners share.
    pub room: Room,
    /// Whether any of its faces speaks HTTP/1, so that a request can be served where there is no room to stay.
    pub has_http: bool,
    /// What it may hold, together with others.
    pub budgets: Budgets,
    /// The largest gRPC message that any of its faces takes, in bytes.
    pub max_message_size: usize,
    /// The paths of gRPC calls that are streams, without the slash in front: these may last, and be idle.
    pub streams: Arc<HashSet<&'static str>>,
    /// Who hears of the ends of connections.
    pub links: Links,
}

impl Serving {
    /// The same, with the ends of connections told to the observer of these links.
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
    /// For servers of tests, as [`Limits::generous`].
    pub fn generous() -> Self {
        let budget = |name| Budget::new(name, 64 << 20);
        Self {
            limits: Limits::generous(),
            grace: Duration::from_secs(20),
            room: Room::new(None, 1, usize::MAX),
            has_http: false,
            budgets: Budgets {
                requests: budget("requests"),
                answers: budget("answers"),
                connections: budget("connections"),
            },
            max_message_size: 4 << 20,
            streams: Arc::default(),
            links: Links::default(),
        }
    }
}

/// The grace of a drain has passed and requests were still under way; their connections were closed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{requests} requests to {address} were still under way when the grace had passed, and were cut off"
)]
pub struct CutOff {
    /// The listener.
    pub address: SocketAddr,
    /// How many requests.
    pub requests: usize,
}

// === impl Listening ===

impl Listening {
    /// Serves until `cancel`, then stops accepting, tells every peer to go (GOAWAY, `Connection: close`), and waits at most
    /// the grace for the requests under way. A peer that has its answers and does not go is not waited for, nor is one that
    /// owes bytes of its request, or takes none of its answer, for three seconds.
    ///
    /// # Errors
    /// Requests were still served when the grace had passed.
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

    /// Serves as long as `work` takes, and ends the connections that came meanwhile. The port stays listened on.
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
        let protocols = Arc::new(Protocols::new(&serving.limits, tasks));
        let mut ages = Ages::new(serving.limits.max_connection_age);
        let mut acceptor = Acceptor::new(&self.listener, &serving, &self.stats);
        let serving = Arc::new(serving);
        loop {
            let (stream, remote, seat) = acceptor.accept().await;
            let connection = Connection {
                serving: Arc::clone(&serving),
                protocols: Arc::clone(&protocols),
                // A token of its own: waiting on a shared one costs every connection a shared lock.
                stop: stop.child_token(),
                open: Open::new(&self.stats),
                peer: Peer::new(remote.ip()),
                age: ages.draw(),
                seat,
                link: serving.links.open(remote),
            };
            tasks.spawn(connection.run(stream, service.clone()));
        }
    }
}
