//! One listener stack for every face: bind, accept, tell HTTP/1 from HTTP/2, and stop without losing a request.
//!
//! Binding and serving are apart: after [`bind`] the port is known and taken, and nothing is accepted before
//! [`Bound::serve`]. HTTP/1.1 and HTTP/2 with prior knowledge (what gRPC agents speak, without TLS) share every listener.
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
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::peer::Peer;

mod accept;
mod budget;
mod introduce;
mod protocol;
mod requests;
#[cfg(test)]
mod tests;
mod timer;

use self::accept::Acceptor;
use self::introduce::Introduced;
use self::protocol::Protocols;
use self::requests::Requests;

pub use self::budget::{Budget, Budgeted, Counted, OverBudget};

/// What one listener allows its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is closed at once.
    pub max_connections: usize,
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
            handshake_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(20),
            max_header_size: 16 << 10,
            max_streams_per_connection: 16,
        }
    }
}

/// A listener that has its port and accepts nothing yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    stats: Arc<Stats>,
}

/// What a listener counts; for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    cut_off: AtomicUsize,
}

/// The endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host} port {port}")]
pub struct BindError {
    /// The host, as configured.
    pub host: String,
    /// The port, as configured.
    pub port: u16,
    /// Why: the name has no address, the port is taken, the port is not allowed ...
    #[source]
    pub source: std::io::Error,
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

/// Takes the port of `host`; port 0 lets the system choose one. A name with several addresses is tried IPv4 first,
/// because agents of 3.x and 5.x resolve names that way. The next address is tried only if this machine does not have the
/// one before: a port in use is an error, since agents would otherwise reach another program.
///
/// # Errors
/// The name has no address, or the port of the first address that the machine has cannot be taken.
pub async fn bind(host: &str, port: u16) -> Result<Bound, BindError> {
    let bound = async {
        let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let listener = bind_first(&addresses).await?;
        let address = listener.local_addr()?;
        Ok(Bound {
            listener,
            address,
            stats: Arc::default(),
        })
    };
    bound.await.map_err(|source| BindError {
        host: host.to_owned(),
        port,
        source,
    })
}

/// Binds the first of the addresses that this machine has.
async fn bind_first(addresses: &[SocketAddr]) -> std::io::Result<TcpListener> {
    let mut absent = None;
    for address in addresses {
        match TcpListener::bind(address).await {
            Err(error) if is_absent(&error) => absent = Some(error),
            bound => return bound,
        }
    }
    Err(absent.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()))
}

/// Whether this machine does not have the address, or none of its kind.
fn is_absent(error: &std::io::Error) -> bool {
    let no_such_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == std::io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(no_such_family)
}

// === impl Bound ===

impl Bound {
    /// The address with the port that was really taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters of this listener.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `cancel`, then stops accepting, tells every peer to go (GOAWAY, `Connection: close`), and waits at most
    /// `grace` for the requests under way. A peer that has its answers and does not go is not waited for.
    ///
    /// # Errors
    /// Requests were still under way when the grace had passed.
    pub async fn serve<S, B>(
        self,
        service: S,
        limits: &Limits,
        grace: Duration,
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
        let Self {
            listener,
            address,
            stats,
        } = self;
        let tasks = TaskTracker::new();
        let protocols = Arc::new(Protocols::new(limits, &tasks));
        let mut acceptor = Acceptor::new(listener, limits.max_connections, Arc::clone(&stats));
        while let Some((stream, peer)) = cancel.run_until_cancelled(acceptor.accept()).await {
            let open = Open::new(&stats);
            let connection = Connection {
                protocols: Arc::clone(&protocols),
                handshake_timeout: limits.handshake_timeout,
                // A token of its own: waiting on a shared one costs every connection a shared lock.
                stop: cancel.child_token(),
                grace,
                open,
                peer,
            };
            tasks.spawn(connection.serve(stream, service.clone()));
        }
        drop(acceptor);
        info!(%address, connections = stats.open(), "draining");
        tasks.close();
        tasks.wait().await;
        match stats.cut_off.load(Ordering::Relaxed) {
            0 => Ok(()),
            requests => Err(CutOff { address, requests }),
        }
    }
}

// === impl Stats ===

impl Stats {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections accepted so far, those refused included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections closed at once because there were too many.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// One open connection, counted as long as this lives.
#[derive(Debug)]
struct Open(Arc<Stats>);

impl Open {
    fn new(stats: &Arc<Stats>) -> Self {
        stats.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }

    /// Counts what was under way on it and is not any more.
    fn cut_off(&self, requests: usize) {
        self.0.cut_off.fetch_add(requests, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
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
}

impl Connection {
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
        let shown = tokio::time::timeout(self.handshake_timeout, protocol::detect(stream));
        let (protocol, stream) = match self.stop.run_until_cancelled(shown).await {
            Some(Ok(Ok(shown))) => shown,
            Some(Ok(Err(error))) => {
                return debug!(%error, "connection ended before it showed a protocol");
            }
            Some(Err(_elapsed)) => return debug!("connection showed no protocol in time"),
            None => return, // nothing was asked yet
        };
        let requests = Requests::default();
        let service = requests.count(Introduced {
            service,
            peer: self.peer,
        });
        let builder = self.protocols.builder(protocol);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection => result,
                    () = requests.answered() => return debug!("the peer has its answers and does not go"),
                    () = tokio::time::sleep(self.grace) => return self.open.cut_off(requests.under_way()),
                }
            }
        };
        if let Err(error) = ended {
            debug!(error = &*error, "connection failed");
        }
    }
}
