//! Accepts connections, and recovers from errors of the system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcall_limits::Peer;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::room::{Brief, Briefs, Full, Place, Room};
use super::{Serving, Stats};

#[cfg(test)]
mod tests;

/// The pause after the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The least time between two warnings about full listeners or failed accepts.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Acceptor<'a> {
    listener: &'a TcpListener,
    max_connections: usize,
    room: Room,
    /// `None` if no face serves HTTP/1.
    briefs: Option<Briefs>,
    stats: Arc<Stats>,
    last_warning: Option<Instant>,
}

/// The kinds of place that an accepted connection has.
#[derive(Debug)]
pub(super) enum Seat {
    /// A standing connection.
    Standing { _place: Place },
    /// A connection for one request.
    Brief(Brief),
}

impl<'a> Acceptor<'a> {
    pub(super) fn new(listener: &'a TcpListener, serving: &Serving, stats: &Arc<Stats>) -> Self {
        Self {
            listener,
            max_connections: serving.limits.max_connections,
            room: serving.room.clone(),
            briefs: serving.has_http.then(|| serving.room.briefs()),
            stats: Arc::clone(stats),
            last_warning: None,
        }
    }

    /// Returns the next connection that has a place, and the address of its peer. A connection without a place is closed at once,
    /// so that its peer can try another collector. If the system has no descriptors, existing connections continue and accepting is
    /// retried.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr, Seat) {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    self.stats.accepted.fetch_add(1, Ordering::Relaxed);
                    if let Some(seat) = self.seat(Peer::new(remote.ip())).await {
                        if let Err(error) = stream.set_nodelay(true) {
                            debug!(%error, "connection without TCP_NODELAY");
                        }
                        return (stream, remote, seat);
                    }
                }
                Err(error) if is_of_the_peer(&error) => {
                    debug!(%error, "connection ended before it was accepted")
                }
                Err(error) => {
                    if self.is_time_to_warn() {
                        warn!(%error, "cannot accept connections, retrying");
                    }
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// The seat of a new connection; `None` if it cannot stay. Counts such a connection, and warns about the reason.
    async fn seat(&mut self, peer: Peer) -> Option<Seat> {
        let standing = if self.standing() < self.max_connections {
            self.room.enter(peer)
        } else {
            Err(Full::Listener)
        };
        let why = match standing {
            Ok(_place) => return Some(Seat::Standing { _place }),
            Err(why) => why,
        };
        if self.is_time_to_warn() {
            let limit = match why {
                Full::Listener => self.max_connections,
                Full::Descriptors => self.room.limit(),
                Full::Peer => self.room.per_peer(),
            };
            warn!(
                limit,
                reason = why.label(),
                "no room for more connections, new ones are served one HTTP/1 request or closed"
            );
        }
        let brief = match &self.briefs {
            Some(briefs) => briefs.enter_soon().await,
            None => None,
        };
        match brief {
            Some(brief) => {
                self.stats.brief.fetch_add(1, Ordering::Relaxed);
                Some(Seat::Brief(brief))
            }
            None => {
                self.stats.refuse(why);
                None
            }
        }
    }

    /// The number of open connections of this listener that are not brief. A brief connection counts as standing for a moment while
    /// it ends.
    fn standing(&self) -> usize {
        // Read before the brief ones: a connection that ends in between must not be subtracted from a number without it.
        let open = self.stats.open();
        open.saturating_sub(self.briefs.as_ref().map_or(0, Briefs::open))
    }

    fn is_time_to_warn(&mut self) -> bool {
        let now = Instant::now();
        let is_time = self
            .last_warning
            .is_none_or(|last_warning| now.duration_since(last_warning) >= WARN_INTERVAL);
        if is_time {
            self.last_warning = Some(now);
        }
        is_time
    }
}

/// Whether the error concerns only the connection that was being accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
