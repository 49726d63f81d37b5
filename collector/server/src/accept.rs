//! Accepting connections, whatever the system says meanwhile.

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

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The least time between two lines about the same trouble.
const SELDOM: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Acceptor<'a> {
    listener: &'a TcpListener,
    max_connections: usize,
    room: Room,
    /// None where no face speaks HTTP/1.
    briefs: Option<Briefs>,
    stats: Arc<Stats>,
    said: Option<Instant>,
}

/// What an accepted connection may do.
#[derive(Debug)]
pub(super) enum Seat {
    /// Stay.
    Standing { _place: Place },
    /// Ask once.
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
            said: None,
        }
    }

    /// The next connection there is room for, and the address of its peer. One too many is closed at once, so that its peer can try
    /// elsewhere. If the system has no descriptors, the connections there are go on and accepting is tried again.
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
                    if self.is_time_to_say() {
                        warn!(%error, "cannot accept connections, trying again");
                    }
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// The seat of one more connection. Says why, and counts it, if it cannot stay.
    async fn seat(&mut self, peer: Peer) -> Option<Seat> {
        let standing = if self.stats.open() < self.max_connections {
            self.room.enter(peer)
        } else {
            Err(Full::Listener)
        };
        let why = match standing {
            Ok(_place) => return Some(Seat::Standing { _place }),
            Err(why) => why,
        };
        if self.is_time_to_say() {
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
