//! Links calls to their connection, and records the instances seen on it.
//!
//! The server opens a [`Link`] for each connection, runs the connection's calls within it, and closes it with the cause. A use case
//! that records a signal reads the [`current`] link. So faces do not have to pass connections along, and a call pays only for a
//! thread-local look-up.

#![warn(missing_docs)]

use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rollcall_domain::{
    InstanceId, Timestamp,
    liveness::{Cause, ConnectionId},
};

mod cause;
mod linked;

#[cfg(test)]
mod tests;

pub use cause::own_goaway;
pub use linked::Linked;

tokio::task_local! {
    static CURRENT: Arc<Seen>;
}

/// The most instances recorded for one connection. A proxy's connection may carry more; its end is not recorded for the others.
const RECORDED: usize = 256;

/// The most memory of a link, in bytes.
pub const COST: usize = RECORDED * size_of::<InstanceId>();

/// Receives the ends of connections.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Called when a connection of the peer at this address has ended. `instances` were seen on it.
    fn closed(
        &self,
        connection: ConnectionId,
        remote: SocketAddr,
        seen: &[InstanceId],
        cause: Cause,
    );
}

/// Opens links. Clones share one numbering. The default value has no observer.
#[derive(Clone, Debug, Default)]
pub struct Links {
    last: Arc<AtomicU64>,
    open: Arc<AtomicUsize>,
    observer: Option<Arc<dyn Observer>>,
}

/// The recorded time of a clock that has not been compared yet.
const NEVER: i64 = i64::MIN;

/// The time between two comparisons, in milliseconds of the peer's clock.
const COMPARED: u64 = 60_000;

/// A connection. Dropping it without [`Link::ended`] means that this collector closed it.
#[derive(Debug)]
pub struct Link {
    seen: Arc<Seen>,
    open: Arc<AtomicUsize>,
    observer: Option<Arc<dyn Observer>>,
    cause: Cause,
}

/// Why this collector closes a connection that its peer keeps open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The peer did not answer in time.
    Unanswered,
    /// The peer did not read its answers.
    Unread,
    /// The peer exceeded a limit.
    OverLimit,
    /// The peer violated the protocol.
    Violation,
    /// This collector has requested that the peer close the connection, because it stops or the connection is old.
    Requested,
}

/// The instances that were seen on one connection.
#[derive(Debug)]
pub struct Seen {
    connection: ConnectionId,
    remote: SocketAddr,
    /// The time of the first call.
    since: OnceLock<Timestamp>,
    /// The time of the peer's clock when it was last compared, in milliseconds; [`NEVER`] before that.
    clock_read: AtomicI64,
    /// How far the clock of the peer was ahead at that comparison, in milliseconds.
    clock_skew: AtomicI32,
    closing: OnceLock<Closing>,
    instances: Mutex<Instances>,
}

/// The instances to report at the end of a connection.
#[derive(Debug)]
enum Instances {
    Open(Vec<InstanceId>),
    /// They were reported, with the cause of the end.
    Reported(Cause),
}

impl Links {
    /// Links whose ends are reported to `observer`.
    #[must_use]
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            last: Arc::default(),
            open: Arc::default(),
            observer: Some(observer),
        }
    }

    /// The number of open links.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Opens a link for a new connection of a peer at this address.
    #[must_use]
    pub fn open(&self, remote: SocketAddr) -> Link {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let seen = Seen {
            connection: ConnectionId::new(number),
            remote,
            since: OnceLock::new(),
            clock_read: AtomicI64::new(NEVER),
            clock_skew: AtomicI32::new(0),
            closing: OnceLock::new(),
            instances: Mutex::new(Instances::Open(Vec::new())),
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        Link {
            seen: Arc::new(seen),
            open: Arc::clone(&self.open),
            observer: self.observer.clone(),
            cause: Cause::ClosedByCollector,
        }
    }
}

impl Link {
    /// Wraps a service so that its calls run within this link.
    pub fn around<S>(&self, service: S) -> Linked<S> {
        Linked {
            service,
            seen: Arc::clone(&self.seen),
        }
    }

    /// Runs `work` within this link.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        within(Some(&self.seen), work)
    }

    /// Records why this collector closes the connection. The first reason is kept. Call it before the connection is closed, so that
    /// the calls that end with the connection can read the reason.
    pub fn closing(&self, why: Closing) {
        self.seen.closing.get_or_init(|| why);
    }

    /// Closes the link of a connection that the peer or an error has ended.
    pub fn ended(self, error: Option<&(dyn Error + 'static)>) {
        let _why = self.end(error.map_or(Cause::ClosedByPeer, cause::of));
    }

    /// As [`Link::ended`]. If the peer did not answer, `acknowledged` is whether its machine acknowledged the bytes sent to it;
    /// `None` if that is unknown. Returns why this collector closed the connection, if it did.
    pub fn failed(
        self,
        error: &(dyn Error + 'static),
        acknowledged: impl FnOnce() -> Option<bool>,
    ) -> Option<Closing> {
        self.end(match cause::of(error) {
            Cause::Timeout => match acknowledged() {
                None => Cause::Timeout,
                Some(true) => Cause::Hung,
                Some(false) => Cause::Unreachable,
            },
            other => other,
        })
    }

    /// Ends the link with what the connection itself shows. An end that follows a request of this collector is its own, unless the
    /// peer did not answer.
    fn end(mut self, cause: Cause) -> Option<Closing> {
        let is_requested = self.seen.closing() == Some(Closing::Requested);
        let why = match cause {
            Cause::Timeout | Cause::Hung | Cause::Unreachable => Closing::Unanswered,
            _ if is_requested => return None,
            Cause::OverLimit => Closing::OverLimit,
            Cause::Violation => Closing::Violation,
            _ => {
                self.cause = cause;
                return None;
            }
        };
        self.cause = cause;
        self.closing(why);
        Some(why)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let cause = match (self.cause, self.seen.closing()) {
            (Cause::ClosedByCollector, Some(Closing::OverLimit)) => Cause::OverLimit,
            (Cause::ClosedByCollector, Some(Closing::Unread)) => Cause::Unread,
            (cause, _) => cause,
        };
        let end = Instances::Reported(cause);
        let before = std::mem::replace(&mut *self.seen.instances.lock(), end);
        if let (Some(observer), Instances::Open(instances)) = (&self.observer, before)
            && !instances.is_empty()
        {
            let Seen {
                connection, remote, ..
            } = *self.seen;
            observer.closed(connection, remote, &instances, cause);
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

    /// The time of the first call of this function, which `now` supplies: shortly after the connection was opened.
    pub fn since(&self, now: impl FnOnce() -> Timestamp) -> Timestamp {
        *self.since.get_or_init(now)
    }

    /// Compares the time of the peer's clock that a call carries with the time that `now` returns, and returns the difference. The
    /// next comparison follows when the peer's clock shows a time that is a minute before or after the last one; until then returns
    /// `None`. Ignores a difference of more than 24 days, because the field of the call then has a different meaning.
    pub fn observe_clock(&self, peer: Timestamp, now: impl FnOnce() -> Timestamp) -> Option<i32> {
        let (peer, last) = (peer.millis(), self.clock_read.load(Ordering::Relaxed));
        if last != NEVER && peer.abs_diff(last) < COMPARED {
            return None;
        }
        let skew = peer.saturating_sub(now().millis());
        let skew = i32::try_from(skew).ok()?;
        self.clock_skew.store(skew, Ordering::Relaxed);
        self.clock_read.store(peer, Ordering::Relaxed);
        Some(skew)
    }

    /// How far the clock of the peer is ahead of this collector's, in milliseconds; `None` if it reported no time.
    #[must_use]
    pub fn clock_skew(&self) -> Option<i32> {
        let is_known = self.clock_read.load(Ordering::Relaxed) != NEVER;
        is_known.then(|| self.clock_skew.load(Ordering::Relaxed))
    }

    /// Why this collector closes the connection; `None` if it does not.
    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.closing.get().copied()
    }

    /// Records an instance, so that the end of the connection is reported for it. Call it only if the instance was last seen on
    /// another connection, not for every call.
    ///
    /// # Errors
    /// The connection has ended with this cause, and its end was reported without this instance.
    pub fn remember(&self, instance: InstanceId) -> Result<(), Cause> {
        let mut instances = self.instances.lock();
        match &mut *instances {
            Instances::Open(instances) => {
                if instances.len() < RECORDED && !instances.contains(&instance) {
                    instances.push(instance);
                }
                Ok(())
            }
            Instances::Reported(cause) => Err(*cause),
        }
    }
}

/// Calls `read` with the link of the running call; returns `None` outside of a link.
pub fn current<R>(read: impl FnOnce(&Seen) -> R) -> Option<R> {
    CURRENT.try_with(|seen| read(seen)).ok()
}

/// The link of the running call, for a call that outlives its handler; `None` outside of a link.
#[must_use]
pub fn kept() -> Option<Arc<Seen>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs `work` within a link that [`kept`] returned.
pub fn within<R>(seen: Option<&Arc<Seen>>, work: impl FnOnce() -> R) -> R {
    match seen {
        Some(seen) => CURRENT.sync_scope(Arc::clone(seen), work),
        None => work(),
    }
}

/// Runs a future within the link of the running call, even in a task that outlives the call.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let seen = kept();
    async move {
        match seen {
            Some(seen) => CURRENT.scope(seen, future).await,
            None => future.await,
        }
    }
}
