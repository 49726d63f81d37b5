//! The connections of the face, by their transport.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use papaya::HashMap;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    acks::Retries,
    connection::{Connection, Reason},
    transport::Transport,
};

#[cfg(test)]
mod tests;

/// How long a call waits for the set-up of a connection whose stream is open.
const SETUP_WAIT: Duration = Duration::from_secs(1);
/// How long a call waits for the stream to be opened. The client opens the stream before it calls, but this server may handle the
/// call first.
const STREAM_WAIT: Duration = Duration::from_millis(100);

/// Every connection with an open stream.
#[derive(Debug)]
pub(super) struct Connections {
    by_transport: HashMap<u64, Arc<Connection>>,
    /// Streams opened so far.
    streams: AtomicU64,
    open: AtomicUsize,
    most: usize,
    /// Wakes calls that wait for a stream.
    opened: Notify,
}

/// The limit of connections is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) most: usize,
}

impl Connections {
    /// An empty set with a limit of `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self {
            by_transport: HashMap::new(),
            streams: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            most,
            opened: Notify::new(),
        }
    }

    /// The number of connections.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Adds a connection for the stream that has just been opened on a transport. Ends an earlier connection of the same transport.
    pub(super) fn add(
        &self,
        transport: Transport,
        retries: Retries,
        now: u64,
    ) -> Result<Arc<Connection>, Full> {
        let within = |open: usize| (open < self.most).then_some(open + 1);
        if self.open.fetch_update(Relaxed, Relaxed, within).is_err() {
            return Err(Full { most: self.most });
        }
        let streams = self.streams.fetch_add(1, Relaxed).wrapping_add(1);
        let by_transport = self.by_transport.pin();
        let is_first = !by_transport.contains_key(&transport.number);
        let text = transport.text((!is_first).then_some(streams));
        let connection = Arc::new(Connection::new(transport, text, retries, now));
        if let Some(earlier) = by_transport.insert(transport.number, Arc::clone(&connection)) {
            earlier.end(Reason::Replaced);
        }
        self.opened.notify_waiters();
        Ok(connection)
    }

    /// Removes a connection that was added.
    pub(super) fn remove(&self, connection: &Arc<Connection>) {
        let transport = connection.transport().number;
        let is_this = |_: &u64, present: &Arc<Connection>| Arc::ptr_eq(present, connection);
        if self
            .by_transport
            .pin()
            .remove_if(&transport, is_this)
            .is_err()
        {
            tracing::debug!(transport, "the transport has another stream");
        }
        self.open.fetch_sub(1, Relaxed);
    }

    /// The connection of a transport whose stream is open.
    pub(super) fn of(&self, transport: u64) -> Option<Arc<Connection>> {
        self.by_transport.pin().get(&transport).map(Arc::clone)
    }

    /// The connection of a transport, once it is set up. Waits up to [`SETUP_WAIT`] for the set-up, or up to [`STREAM_WAIT`] if there
    /// is no stream yet.
    pub(super) async fn set_up(&self, transport: u64) -> Option<Arc<Connection>> {
        if let Some(connection) = self.of(transport)
            && connection.session().is_some()
        {
            return Some(connection);
        }
        let now = Instant::now();
        let connection = timeout_at(now + STREAM_WAIT, self.opened(transport));
        let connection = connection.await.ok()?;
        let is_set_up = timeout_at(now + SETUP_WAIT, connection.settled()).await;
        is_set_up.unwrap_or(false).then_some(connection)
    }

    async fn opened(&self, transport: u64) -> Arc<Connection> {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if let Some(connection) = self.of(transport) {
                return connection;
            }
            opened.await;
        }
    }

    /// Calls `visit` with every current connection.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Connection)) {
        for (_, connection) in &self.by_transport.pin() {
            visit(connection);
        }
    }
}
