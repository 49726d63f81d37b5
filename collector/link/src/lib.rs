//! The connection that a call comes on, and the instances that were seen on it.
//!
//! The server opens a [`Link`] for each connection, runs the calls of the connection within it, and closes it with the cause. A use
//! case that notes a sign of life asks for the [`current`] link. So no face has to pass connections on, and no call pays more than
//! a thread-local look-up.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::service::Service;
use parking_lot::Mutex;
use rollcall_domain::{
    InstanceId, Timestamp,
    liveness::{Cause, ConnectionId},
};
use tokio::task::futures::TaskLocalFuture;

#[cfg(test)]
mod tests;

tokio::task_local! {
    static CURRENT: Arc<Seen>;
}

/// Instances that are remembered of one connection. A proxy may carry more: of the rest the end of the connection is not noted.
const REMEMBERED: usize = 256;

/// What a link remembers at the most, in bytes.
pub const COST: usize = REMEMBERED * size_of::<InstanceId>();

/// Hears of the ends of connections.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A connection has ended on which these instances were seen.
    fn closed(&self, connection: ConnectionId, seen: &[InstanceId], cause: Cause);
}

/// Opens links. Clones number theirs together. By default nothing observes their ends.
#[derive(Clone, Debug, Default)]
pub struct Links {
    last: Arc<AtomicU64>,
    observer: Option<Arc<dyn Observer>>,
}

/// One connection. Dropped unclosed, it was closed by this collector.
#[derive(Debug)]
pub struct Link {
    seen: Arc<Seen>,
    observer: Option<Arc<dyn Observer>>,
    cause: Cause,
}

/// The instances that were seen on one connection.
#[derive(Debug)]
pub struct Seen {
    connection: ConnectionId,
    remote: SocketAddr,
    /// When a call first came on it.
    since: OnceLock<Timestamp>,
    instances: Mutex<Vec<InstanceId>>,
}

/// A service whose calls run within a link.
#[derive(Clone, Debug)]
pub struct Linked<S> {
    service: S,
    seen: Arc<Seen>,
}

impl Links {
    /// Links whose ends `observer` hears of.
    #[must_use]
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            last: Arc::default(),
            observer: Some(observer),
        }
    }

    /// A link for a connection that a peer at this address has just opened.
    #[must_use]
    pub fn open(&self, remote: SocketAddr) -> Link {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let seen = Seen {
            connection: ConnectionId::new(number),
            remote,
            since: OnceLock::new(),
            instances: Mutex::default(),
        };
        Link {
            seen: Arc::new(seen),
            observer: self.observer.clone(),
            cause: Cause::Collector,
        }
    }
}

impl Link {
    /// The same service, whose calls run within this link.
    pub fn around<S>(&self, service: S) -> Linked<S> {
        Linked {
            service,
            seen: Arc::clone(&self.seen),
        }
    }

    /// The connection has ended by itself, in order or with an error.
    pub fn ended(mut self, error: Option<&(dyn Error + 'static)>) {
        self.cause = error.map_or(Cause::Peer, cause);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let instances = std::mem::take(&mut *self.seen.instances.lock());
        if let (Some(observer), false) = (&self.observer, instances.is_empty()) {
            observer.closed(self.seen.connection, &instances, self.cause);
        }
    }
}

impl Seen {
    /// The connection.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The address of the peer.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// When this was first asked, which `now` says: shortly after the connection was opened.
    pub fn since(&self, now: impl FnOnce() -> Timestamp) -> Timestamp {
        *self.since.get_or_init(now)
    }

    /// Remembers an instance for the end of the connection. To be called when it was last seen on another one, and not for each
    /// call.
    pub fn remember(&self, instance: InstanceId) {
        let mut instances = self.instances.lock();
        if instances.len() < REMEMBERED && !instances.contains(&instance) {
            instances.push(instance);
        }
    }
}

/// What `read` makes of the link that the running call came by; `None` outside of any.
pub fn current<R>(read: impl FnOnce(&Seen) -> R) -> Option<R> {
    CURRENT.try_with(|seen| read(seen)).ok()
}

impl<S, R> Service<R> for Linked<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Arc<Seen>, S::Future>;

    fn call(&self, request: R) -> Self::Future {
        CURRENT.scope(Arc::clone(&self.seen), self.service.call(request))
    }
}

/// What an error of a connection says of its end.
fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_timeout()
        {
            return Cause::Timeout;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Cause::Reset,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Cause::Peer,
                io::ErrorKind::TimedOut => Cause::Timeout,
                _ => Cause::Broken,
            };
        }
        if error.source().is_none() {
            // HTTP/2's errors hide the system's below them, and say the same.
            let words = error.to_string().to_ascii_lowercase();
            if words.contains("reset by peer") || words.contains("broken pipe") {
                return Cause::Reset;
            }
        }
        at = error.source();
    }
    Cause::Broken
}
