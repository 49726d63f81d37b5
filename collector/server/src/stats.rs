//! The counters of a listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tracing::debug;

use super::room::Full;

/// The counters of a listener, for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicUsize,
    lingering: AtomicUsize,
    pub(super) accepted: AtomicU64,
    /// Connections over the limit that were accepted for one request.
    pub(super) brief: AtomicU64,
    refused: [AtomicU64; Full::ALL.len()],
    closed: [AtomicU64; Closed::ALL.len()],
    pub(super) stalled: AtomicU64,
    pub(super) expired: AtomicU64,
    /// Pings whose answer got more time because the collector stalled.
    pub(super) pings_extended: AtomicU64,
    cut_off: AtomicUsize,
}

/// Why the collector closed a connection that it had accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The connection reached its maximum age.
    Age,
    /// The connection was over the limit and did not use HTTP/1, so it could not be served briefly.
    NoRoom,
    /// The connection budget has no room for the connection or its streams.
    OverBudget,
    /// The peer did not read its answers.
    Unread,
    /// The peer did not close the connection after its last answer.
    Unclosed,
    /// The peer sent too many control frames.
    Flood,
    /// The peer violated the protocol.
    Violation,
    /// The TLS handshake failed: one side rejected the other's certificate, or they have no common version.
    TlsFailed,
    /// The TLS handshake was not complete in time.
    TlsStalled,
    /// A newer TLS handshake took the place of this one.
    TlsDisplaced,
    /// The peer used TLS on a listener without TLS.
    TlsRefused,
    /// The peer did not use TLS on a listener that requires it.
    PlainRefused,
}

impl Closed {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Age,
        Self::NoRoom,
        Self::OverBudget,
        Self::Unread,
        Self::Unclosed,
        Self::Flood,
        Self::Violation,
        Self::TlsFailed,
        Self::TlsStalled,
        Self::TlsDisplaced,
        Self::TlsRefused,
        Self::PlainRefused,
    ];

    /// The label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::NoRoom => "no_room",
            Self::OverBudget => "over_budget",
            Self::Unread => "unread",
            Self::Unclosed => "unclosed",
            Self::Flood => "flood",
            Self::Violation => "protocol_error",
            Self::TlsFailed => "tls_failed",
            Self::TlsStalled => "tls_stalled",
            Self::TlsDisplaced => "tls_displaced",
            Self::TlsRefused => "tls_refused",
            Self::PlainRefused => "plain_refused",
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

    /// Connections that this collector has ended, and whose peers have not closed them yet.
    #[must_use]
    pub fn lingering(&self) -> usize {
        self.lingering.load(Ordering::Relaxed)
    }

    /// Connections accepted so far, refused ones included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections closed at once for lack of room.
    #[must_use]
    pub fn refused(&self, why: Full) -> u64 {
        self.refused_for(why).load(Ordering::Relaxed)
    }

    /// Connections over the limit that were accepted for one request.
    #[must_use]
    pub fn brief(&self) -> u64 {
        self.brief.load(Ordering::Relaxed)
    }

    /// Requests whose bytes did not arrive in time.
    #[must_use]
    pub fn stalled(&self) -> u64 {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Calls that were not complete within their time limit.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// HTTP/2 pings whose answer got more time because the collector stalled.
    #[must_use]
    pub fn pings_extended(&self) -> u64 {
        self.pings_extended.load(Ordering::Relaxed)
    }

    /// Connections that the collector closed for this reason after accepting them.
    #[must_use]
    pub fn closed_for(&self, why: Closed) -> u64 {
        self.closed(why).load(Ordering::Relaxed)
    }

    /// Counts a connection that is closed at once.
    pub(super) fn refuse(&self, why: Full) {
        self.refused_for(why).fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were cut off at the end of a drain.
    pub(super) fn cut_off(&self) -> usize {
        self.cut_off.load(Ordering::Relaxed)
    }

    fn refused_for(&self, why: Full) -> &AtomicU64 {
        let [listener, descriptors, peer] = &self.refused;
        match why {
            Full::Listener => listener,
            Full::Descriptors => descriptors,
            Full::Peer => peer,
        }
    }

    /// Counts the closing of a connection by its reason.
    pub(super) fn close(&self, why: Closed) {
        debug!(reason = why.label(), "closing a connection");
        self.closed(why).fetch_add(1, Ordering::Relaxed);
    }

    fn closed(&self, why: Closed) -> &AtomicU64 {
        let [
            age,
            no_room,
            over_budget,
            unread,
            unclosed,
            flood,
            violation,
            failed,
            stalled,
            displaced,
            tls,
            plain,
        ] = &self.closed;
        match why {
            Closed::Age => age,
            Closed::NoRoom => no_room,
            Closed::OverBudget => over_budget,
            Closed::Unread => unread,
            Closed::Unclosed => unclosed,
            Closed::Flood => flood,
            Closed::Violation => violation,
            Closed::TlsFailed => failed,
            Closed::TlsStalled => stalled,
            Closed::TlsDisplaced => displaced,
            Closed::TlsRefused => tls,
            Closed::PlainRefused => plain,
        }
    }
}

/// One open connection, counted as long as this lives.
#[derive(Debug)]
pub(super) struct Open(Arc<Stats>);

impl Open {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        stats.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }

    pub(super) fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.0)
    }

    /// Counts requests in progress that were cut off with the connection.
    pub(super) fn cut_off(&self, requests: usize) {
        self.0.cut_off.fetch_add(requests, Ordering::Relaxed);
    }

    /// Counts the closing of the connection by its reason.
    pub(super) fn close(&self, why: Closed) {
        self.0.close(why);
    }
}

/// One lingering connection, counted as long as this lives.
#[derive(Debug)]
pub(super) struct Lingering(Arc<Stats>);

impl Lingering {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        stats.lingering.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        self.0.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
