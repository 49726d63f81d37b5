//! Limits the number of connections.
//!
//! Each connection takes a file descriptor, and the process has a limited number. [`Room`] divides the descriptors that the process
//! does not need itself among the connections of all listeners. It reserves some of them, so that standing connections never
//! displace connections for a single request:
//!
//! * A connection is *standing* while the listener, all listeners together, and its peer are below their limits.
//! * Above a limit, a listener that serves HTTP/1 has a few *brief* places: such a connection is served one request, within a
//!   short time, and the newest connection replaces the oldest one. So the naming list and the probes are answered while every
//!   other place is taken, even by silent peers.
//! * Any other connection is closed at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rollcall_limits::Peer;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// The descriptors that the process itself needs: standard streams, the runtime, listeners, the store, connections to etcd or
/// ZooKeeper and to other collectors.
const OWN: usize = 64;
/// The value for an unlimited number of descriptors.
const NO_LIMIT: usize = 1 << 31;
/// The longest wait for a cancelled connection to end. It ends as soon as its task runs.
const SOON: Duration = Duration::from_millis(100);
/// The most brief places of one listener.
const MOST_BRIEF: usize = 64;
/// The brief places of one listener get one part in this many of all descriptors.
const BRIEF_SHARE: usize = 32;
/// The share of the standing places that one peer may take: three quarters, so that it never shuts out all others.
const PEER_SHARE: (usize, usize) = (3, 4);

/// The connection limits of all listeners. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    standing: usize,
    per_peer: usize,
    brief: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    standing: usize,
    peers: HashMap<Peer, usize>,
}

/// The limit that refused a standing connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The limit of the listener.
    Listener,
    /// The limit of all listeners, from the number of descriptors.
    Descriptors,
    /// The limit of the peer.
    Peer,
}

/// The place of a standing connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    peer: Peer,
}

// === impl Room ===

impl Room {
    /// Divides `open_files` descriptors among this many listeners, with at most `max_per_peer` standing connections for one peer.
    /// `None` means that the number of descriptors is unlimited.
    #[must_use]
    pub fn new(open_files: Option<usize>, listeners: usize, max_per_peer: usize) -> Self {
        let open_files = open_files.unwrap_or(NO_LIMIT);
        // A small number of descriptors is divided by shares, so that every purpose gets some.
        let brief = (open_files / BRIEF_SHARE).clamp(1, MOST_BRIEF);
        let own = OWN.min(open_files / 2);
        // A replaced brief connection holds its descriptor a moment longer, and each listener accepts one more connection to
        // close.
        let reserved = own.saturating_add(listeners.saturating_mul(2 * brief + 1));
        let standing = open_files.saturating_sub(reserved).max(1);
        let (part, whole) = PEER_SHARE;
        let most = (standing / whole).saturating_mul(part).max(1);
        Self(Arc::new(Shared {
            standing,
            per_peer: max_per_peer.min(most),
            brief,
            taken: Mutex::default(),
        }))
    }

    /// The most standing connections over all listeners.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.standing
    }

    /// The most standing connections of one peer.
    #[must_use]
    pub fn per_peer(&self) -> usize {
        self.0.per_peer
    }

    /// Standing connections now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.taken.lock().standing
    }

    /// Takes a place for a connection of `peer`.
    ///
    /// # Errors
    /// Returns the limit that is reached.
    pub(super) fn enter(&self, peer: Peer) -> Result<Place, Full> {
        let Shared {
            standing, per_peer, ..
        } = *self.0;
        let mut taken = self.0.taken.lock();
        if taken.standing >= standing {
            return Err(Full::Descriptors);
        }
        let of_peer = taken.peers.entry(peer).or_default();
        if *of_peer >= per_peer {
            return Err(Full::Peer);
        }
        *of_peer += 1;
        taken.standing += 1;
        Ok(Place {
            room: self.clone(),
            peer,
        })
    }

    /// The brief places of one listener.
    pub(super) fn briefs(&self) -> Briefs {
        let places = Mutex::new(BriefPlaces {
            places: self.0.brief,
            open: 0,
            next: 0,
            oldest_first: VecDeque::new(),
        });
        let ended = Notify::new();
        Briefs(Arc::new(SharedBriefs { places, ended }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.0.taken.lock();
        taken.standing -= 1;
        if let Some(of_peer) = taken.peers.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                taken.peers.remove(&self.peer);
            }
        }
    }
}

impl Full {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Listener, Self::Descriptors, Self::Peer];

    /// The label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Descriptors => "descriptors",
            Self::Peer => "peer",
        }
    }
}

// === brief places ===

/// The brief places of one listener. Cheap to clone; clones share the places.
#[derive(Clone, Debug)]
pub(super) struct Briefs(Arc<SharedBriefs>);

#[derive(Debug)]
struct SharedBriefs {
    places: Mutex<BriefPlaces>,
    /// Notified when a brief connection ends.
    ended: Notify,
}

#[derive(Debug)]
struct BriefPlaces {
    places: usize,
    /// Connections that have not ended, including cancelled ones.
    open: usize,
    next: u64,
    oldest_first: VecDeque<(u64, CancellationToken)>,
}

/// A brief place, until it is dropped.
#[derive(Debug)]
pub(super) struct Brief {
    briefs: Briefs,
    number: u64,
    /// Cancelled when a newer connection takes the place.
    pub(super) replaced: CancellationToken,
}

impl Briefs {
    /// As [`Briefs::enter`], but waits a moment for cancelled connections to end.
    pub(super) async fn enter_soon(&self) -> Option<Brief> {
        let entering = async {
            loop {
                match self.enter() {
                    Some(brief) => return brief,
                    None => self.0.ended.notified().await,
                }
            }
        };
        timeout(SOON, entering).await.ok()
    }

    /// Brief connections that have not ended.
    pub(super) fn open(&self) -> usize {
        self.0.places.lock().open
    }

    /// Takes a place for another connection. If none is free, cancels the oldest brief connection. Returns `None` if too many
    /// cancelled connections have not ended yet.
    fn enter(&self) -> Option<Brief> {
        let mut places = self.0.places.lock();
        if places.open >= 2 * places.places {
            return None;
        }
        if places.oldest_first.len() >= places.places
            && let Some((_, oldest)) = places.oldest_first.pop_front()
        {
            oldest.cancel();
        }
        let (number, replaced) = (places.next, CancellationToken::new());
        places.next += 1;
        places.open += 1;
        places.oldest_first.push_back((number, replaced.clone()));
        drop(places);
        Some(Brief {
            briefs: self.clone(),
            number,
            replaced,
        })
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        let mut places = self.briefs.0.places.lock();
        places.open -= 1;
        places
            .oldest_first
            .retain(|(number, _)| *number != self.number);
        drop(places);
        self.briefs.0.ended.notify_one();
    }
}
