//! What happens on one connection: the requests under way, whose turn it is, and how many bytes have moved.
//!
//! A drain and the timeouts ask one question: does the connection wait for the collector or for its peer? Every request is
//! counted as *working* until it is answered, and as *reading* as well while its handler waits for bytes of the peer. Every
//! answer is counted until its body has ended, and every piece of it until the piece has been written.
//!
//! The memory of streams is charged here too, in blocks, so that a connection with a few calls at a time never touches the
//! shared budget after it was accepted. A stream is charged when its head arrives, before h2 and hyper build anything for it.
//! Bytes of bodies that have arrived and that no handler has read are charged as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use rollcall_limits::Charge;

use super::protocol::Protocol;
use super::{Serving, Stats};

mod charges;
mod requests;
#[cfg(test)]
mod tests;

pub(super) use charges::TooManyRefused;
pub(super) use requests::{Answering, Reading, Unread, Working};

/// Streams that are charged at once. The first block is part of [`CONNECTION_COST`].
const BLOCK: usize = 2;

/// What a stream holds beside its bodies, in bytes: the states of h2, hyper and the router, its task, and the decoder's
/// buffer. Measured: 9.4 KiB for a call with no message, 10.5 KiB for one with 500 bytes of it.
const STREAM_COST: usize = 12 << 10;

/// What of it is held as long as the connection lives: the place of the stream in the tables of h2. Measured: 0.7 KiB.
const PLACE_COST: usize = 1 << 10;

/// What a connection holds with no more than [`BLOCK`] streams, in bytes: its task and the buffers of both directions
/// (measured: 17.3 KiB for an idle HTTP/2 connection), the instances seen on it, and a few bytes of bodies.
pub(super) const CONNECTION_COST: usize =
    (20 << 10) + rollcall_link::COST + FREE_WAITING + BLOCK * STREAM_COST;

/// A connection with more streams refused than this is closed: what they hold until they are answered is not charged.
const MOST_REFUSED: usize = 64;

/// Bytes of bodies that may wait for their handlers as part of [`CONNECTION_COST`].
const FREE_WAITING: usize = 4 << 10;

/// Bytes of waiting bodies that are charged at once.
const WAITING_BLOCK: usize = 32 << 10;

/// The counts of one connection.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) serving: Arc<Serving>,
    pub(super) stats: Arc<Stats>,
    protocol: Protocol,
    /// Requests without an answer.
    working: AtomicUsize,
    /// Those of them whose handler waits for bytes of the peer.
    reading: AtomicUsize,
    /// Answers whose body has not ended.
    answering: AtomicUsize,
    /// Pieces of answers that are not written.
    unread: AtomicUsize,
    /// Bytes of bodies that arrived over HTTP/2; wraps around.
    arrived: AtomicUsize,
    /// Bytes of requests that handlers have read, of answers, and of everything that was written; they wrap around.
    received: AtomicUsize,
    sent: AtomicUsize,
    written: AtomicUsize,
    /// The socket took nothing when it was last written to.
    is_blocked: AtomicBool,
    /// The peer sent more frames that ask for nothing than it may.
    is_flooded: AtomicBool,
    /// Counts the times that the connection was polled; wraps around.
    turn: AtomicUsize,
    /// Heads that arrived in this turn and that no request was made of yet.
    announced: AtomicUsize,
    /// Streams that are paid for.
    paid: AtomicUsize,
    /// Bytes of waiting bodies that are paid for.
    waiting_paid: AtomicUsize,
    /// Streams that were refused.
    refused: AtomicUsize,
    account: Mutex<Account>,
}

/// What is charged for a connection and its streams.
#[derive(Debug)]
struct Account {
    charge: Charge,
    /// The most streams that were paid for so far.
    most: usize,
}

impl Traffic {
    /// A connection that has just shown its protocol. `charge` pays for it and for the first block of streams.
    pub(super) fn new(
        serving: Arc<Serving>,
        stats: Arc<Stats>,
        protocol: Protocol,
        charge: Charge,
    ) -> Arc<Self> {
        Arc::new(Self {
            serving,
            stats,
            protocol,
            working: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            is_blocked: AtomicBool::new(false),
            is_flooded: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            announced: AtomicUsize::new(0),
            paid: AtomicUsize::new(BLOCK),
            waiting_paid: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            account: Mutex::new(Account {
                charge,
                most: BLOCK,
            }),
        })
    }

    /// Streams that hold memory, or a few more.
    pub(super) fn streams(&self) -> usize {
        self.under_way() + self.unread.load(Relaxed)
    }

    /// Requests that are not answered to the end.
    pub(super) fn under_way(&self) -> usize {
        self.working.load(Relaxed) + self.answering.load(Relaxed)
    }

    /// Requests that a handler works on, without those for which it waits for the peer.
    pub(super) fn busy(&self) -> usize {
        let reading = self.reading.load(Relaxed);
        self.working.load(Relaxed).saturating_sub(reading)
    }

    /// Whether the peer has its answers and has asked nothing more.
    pub(super) fn is_idle(&self) -> bool {
        self.streams() == 0
    }

    /// Whether the socket took nothing when it was last written to.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Relaxed)
    }

    /// Whether pieces of answers are not written.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed) > 0
    }

    /// Whether there may be something for the peer to take, now or soon.
    pub(super) fn is_answering(&self) -> bool {
        self.is_blocked() || self.is_unread() || self.answering.load(Relaxed) > 0
    }

    /// Bytes that the socket has taken; wraps around.
    pub(super) fn written(&self) -> usize {
        self.written.load(Relaxed)
    }

    /// Bytes of answers that the peer has taken; wraps around. Over HTTP/1 they are not told from other bytes.
    pub(super) fn taken(&self) -> usize {
        match self.protocol {
            Protocol::Http1 => self.written(),
            Protocol::Http2 => self.sent(),
        }
    }

    /// Bytes of requests and answers so far; wraps around.
    pub(super) fn moved(&self) -> usize {
        let received = self.received.load(Relaxed);
        received.wrapping_add(self.sent.load(Relaxed))
    }

    pub(super) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// Bytes of answers so far; wraps around.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Relaxed)
    }

    pub(super) fn write(&self, bytes: usize) {
        // Only the connection's own task writes.
        let written = self.written.load(Relaxed).wrapping_add(bytes);
        self.written.store(written, Relaxed);
        self.is_blocked.store(false, Relaxed);
    }

    pub(super) fn block(&self) {
        self.is_blocked.store(true, Relaxed);
    }

    pub(super) fn begin_turn(&self) {
        // A head of the last turn that became no request was a trailer, or h2 refused it.
        self.announced.store(0, Relaxed);
        self.turn.store(self.turn().wrapping_add(1), Relaxed);
    }

    pub(super) fn turn(&self) -> usize {
        self.turn.load(Relaxed)
    }

    pub(super) fn flood(&self) {
        self.is_flooded.store(true, Relaxed);
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Relaxed)
    }
}
