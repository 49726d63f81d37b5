//! Warnings about refused connections of one listener: at most one every 10 s, so that many refused peers do not fill the log.

use std::net::SocketAddr;

use parking_lot::Mutex;
use rollcall_limits::Peer;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, warn};

/// The least time between two warnings.
const INTERVAL: Duration = Duration::from_secs(10);

/// The warnings of one listener.
#[derive(Debug)]
pub(super) struct RefusalWarnings {
    listener: SocketAddr,
    last: Mutex<Option<Instant>>,
}

impl RefusalWarnings {
    pub(super) fn new(listener: SocketAddr) -> Self {
        Self {
            listener,
            last: Mutex::new(None),
        }
    }

    /// Logs why a connection of `remote` is refused: as a warning, or as a debug line if the last warning is too recent.
    pub(super) fn refused(&self, remote: SocketAddr, reason: &str) {
        let class = Peer::new(remote.ip()).class().label();
        let (listener, now) = (self.listener, Instant::now());
        let mut last = self.last.lock();
        let is_time = last.is_none_or(|last| now.duration_since(last) >= INTERVAL);
        if is_time {
            *last = Some(now);
        }
        drop(last);
        if is_time {
            warn!(%listener, %remote, class, reason, "connection refused");
        } else {
            debug!(%listener, %remote, class, reason, "connection refused");
        }
    }
}
