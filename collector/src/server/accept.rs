//! Accepting connections, whatever the system says meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Stats;
use crate::peer::Peer;

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The least time between two lines about the same trouble.
const SELDOM: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    max_connections: usize,
    stats: Arc<Stats>,
    said: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, max_connections: usize, stats: Arc<Stats>) -> Self {
        Self {
            listener,
            max_connections,
            stats,
            said: None,
        }
    }

    /// The next connection there is room for, and its peer. One too many is closed at once, so that its peer can try elsewhere.
    /// Being short of descriptors is waited out: the connections there are go on.
    pub(super) async fn accept(&mut self) -> (TcpStream, Peer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.stats.accepted.fetch_add(1, Ordering::Relaxed);
                    if self.stats.open() < self.max_connections {
                        if let Err(error) = stream.set_nodelay(true) {
                            debug!(%error, "connection without TCP_NODELAY");
                        }
                        return (stream, Peer::new(peer.ip()));
                    }
                    self.stats.refused.fetch_add(1, Ordering::Relaxed);
                    if self.is_time_to_say() {
                        let refused = self.stats.refused();
                        warn!(
                            max_connections = self.max_connections,
                            refused, "too many connections, new ones are closed"
                        );
                    }
                }
                Err(error) if is_of_the_peer(&error) => {
                    debug!(%error, "connection ended before it was accepted")
                }
                Err(error) => {
                    if self.is_time_to_say() {
                        warn!(%error, "cannot accept connections, trying again");
                    }
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    fn is_time_to_say(&mut self) -> bool {
        let now = Instant::now();
        let is_time = self
            .said
            .is_none_or(|said| now.duration_since(said) >= SELDOM);
        if is_time {
            self.said = Some(now);
        }
        is_time
    }
}

/// Whether only the connection that was to be accepted is gone.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
