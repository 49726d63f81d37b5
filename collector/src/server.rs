//! One listener stack for every face: bind, accept, tell HTTP/1 from HTTP/2, and stop without losing a request.
//!
//! A port is taken by [`bind`], listened on after [`Bound::listen`], and served by [`Listening::serve`]. HTTP/1.1 and HTTP/2 with prior knowledge (what gRPC agents speak, without TLS) share every listener.
//!
//! A peer can hold nothing for ever: a new connection has to show its protocol within [`Limits::handshake_timeout`], an
//! HTTP/1 header has to be complete within [`Limits::header_timeout`], and an HTTP/2 peer that does not answer a ping within
//! 20 s is gone. The bytes of bodies are bounded by [`Budget`], over all listeners. How long a body may take is for the face
//! to say, which alone knows whether it is a stream.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::peer::Peer;

mod accept;
mod age;
mod budget;
mod introduce;
mod listen;
mod protocol;
mod requests;
mod room;
mod stats;
#[cfg(test)]
mod tests;
mod timer;

use self::accept::{Acceptor, Seat};
use self::age::Ages;
use self::introduce::Introduced;
use self::protocol::{Protocol, Protocols};
use self::requests::Requests;
use self::stats::Open;

pub use self::budget::{Budget, Budgeted, Counted, OverBudget};
pub use self::listen::{BindError, Bound, Listening, bind};
pub use self::room::{Full, Room};
pub use self::stats::{Closed, Stats};

/// How long a connection that may ask once may take for everything.
const BRIEF: Duration = Duration::from_secs(5);

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
}

#[cfg(test)]
impl Limits {
    /// For servers of tests: no peer that does what it should comes near them.
    pub(crate) const fn generous() -> Self {
        Self {
            max_connections: 1000,
            max_connection_age: None,
            handshake_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(20),
            max_header_size: 16 << 10,
            max_streams_per_connection: 16,
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
}

#[cfg(test)]
impl Serving {
    /// For servers of tests, as [`Limits::generous`].
    pub(crate) fn generous() -> Self {
        Self {
            limits: Limits::generous(),
            grace: Duration::from_secs(20),
            room: Room::new(None, 1, usize::MAX),
            has_http: false,
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
    /// the grace for the requests under way. A peer that has its answers and does not go is not waited for.
    ///
    /// # Errors
    /// Requests were still under way when the grace had passed.
    pub async fn serve<S, B>(
        self,
        service: S,
        serving: Serving,
        cancel: CancellationToken,
    ) -> Result<(), CutOff>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
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
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
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
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let protocols = Arc::new(Protocols::new(&serving.limits, tasks));
        let mut ages = Ages::new(serving.limits.max_connection_age);
        let mut acceptor = Acceptor::new(&self.listener, &serving, &self.stats);
        loop {
            let (stream, peer, seat) = acceptor.accept().await;
            let connection = Connection {
                protocols: Arc::clone(&protocols),
                handshake_timeout: serving.limits.handshake_timeout,
                // A token of its own: waiting on a shared one costs every connection a shared lock.
                stop: stop.child_token(),
                grace: serving.grace,
                open: Open::new(&self.stats),
                peer,
                age: ages.draw(),
                seat,
            };
            tasks.spawn(connection.run(stream, service.clone()));
        }
    }
}

// === impl Connection ===

#[derive(Debug)]
struct Connection {
    protocols: Arc<Protocols>,
    handshake_timeout: Duration,
    /// Cancelled when the connection is to finish what it is doing.
    stop: CancellationToken,
    /// How long it may take for that.
    grace: Duration,
    open: Open,
    peer: Peer,
    /// When it is asked to end, if nothing else ends it before.
    age: Option<Duration>,
    seat: Seat,
}

/// Why a connection is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The listener stops.
    Stop,
    /// It is old.
    Age,
}

impl Connection {
    /// Serves it as long as its seat allows.
    async fn run<S, B>(self, stream: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Seat::Brief(brief) = &self.seat else {
            return self.serve(stream, service).await;
        };
        let given_up = brief.given_up.clone();
        tokio::select! {
            biased;
            () = given_up.cancelled() => debug!("a newer connection takes the place of a brief one"),
            () = sleep(BRIEF) => debug!("a brief connection took too long"),
            () = self.serve(stream, service) => {}
        }
    }

    async fn serve<S, B>(self, stream: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let is_brief = matches!(self.seat, Seat::Brief(_));
        let shown = timeout(self.handshake_timeout, protocol::detect(stream));
        let (protocol, stream) = match self.stop.run_until_cancelled(shown).await {
            Some(Ok(Ok(shown))) => shown,
            Some(Ok(Err(error))) => {
                return debug!(%error, "connection ended before it showed a protocol");
            }
            Some(Err(_elapsed)) => return debug!("connection showed no protocol in time"),
            None => return, // nothing was asked yet
        };
        if is_brief && protocol == Protocol::Http2 {
            return self.open.close(Closed::NoRoom);
        }
        let requests = Requests::default();
        let service = requests.count(Introduced {
            service,
            peer: self.peer,
        });
        let builder = if is_brief {
            self.protocols.brief()
        } else {
            self.protocols.builder(protocol)
        };
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            cause = self.asked_to_end() => {
                connection.as_mut().graceful_shutdown();
                if cause == Cause::Age {
                    self.open.close(Closed::Age);
                }
                tokio::select! {
                    result = connection => result,
                    () = requests.answered() => return debug!("the peer has its answers and does not go"),
                    () = sleep(self.grace) => {
                        if cause == Cause::Stop {
                            self.open.cut_off(requests.under_way());
                        }
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            debug!(error = &*error, "connection failed");
        }
    }

    async fn asked_to_end(&self) -> Cause {
        let Some(age) = self.age else {
            self.stop.cancelled().await;
            return Cause::Stop;
        };
        match timeout(age, self.stop.cancelled()).await {
            Ok(()) => Cause::Stop,
            Err(_elapsed) => Cause::Age,
        }
    }
}
