//! The state of one connection: its requests in progress, its turn, and the bytes moved.
//!
//! A drain and the timeouts need to know whether a connection waits for the collector or for its peer. Every request counts as
//! *working* until it is answered, and until then also as *reading* while its handler waits for bytes of the peer. Every answer
//! counts until its body has ended, and every piece of it until the piece is written.
//!
//! The memory of streams is also charged here. It is charged in blocks, so that a connection with few concurrent calls does not
//! touch the shared budget after it was accepted. A stream is charged when its head arrives, before h2 and hyper allocate anything
//! for it. Bytes of bodies that have arrived and that no handler has read are charged as well.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rollcall_limits::Charge;

use super::protocol::Protocol;
use super::{Budgets, Closed, Serving, Stats};

mod charges;
mod heads;
mod requests;
#[cfg(test)]
mod tests;

pub(super) use charges::TooManyRefused;
pub(super) use requests::{Answering, Reading, Refusing, Unread, Working};

/// Streams charged together. The first block is part of [`CONNECTION_COST`].
const BLOCK: usize = 2;

/// The memory of a stream besides its bodies, in bytes: the states of h2, hyper and the router, its task, and the decoder's
/// buffer. Measured: 9.4 KiB for a call without a message, 10.5 KiB with one of 500 bytes.
const STREAM_COST: usize = 12 << 10;

/// The part of a stream's memory that is held until the connection ends: its slot in the tables of h2. Measured: 0.7 KiB.
const PLACE_COST: usize = 1 << 10;

/// The memory of a connection with up to [`BLOCK`] streams, in bytes: its task and the buffers of both directions (measured:
/// 17.3 KiB for an idle HTTP/2 connection), the instances seen on it, and a few bytes of bodies.
pub(super) const CONNECTION_COST: usize =
    (20 << 10) + rollcall_link::COST + FREE_WAITING + BLOCK * STREAM_COST;

/// The most refused streams of a connection whose refusals are not written yet, before it is closed: their memory is not
/// charged.
const MOST_REFUSED: usize = 64;

/// The streams beyond the limit that are charged when their heads arrive. Streams that their peer reset before they began no longer
/// count for the limit; h2 keeps them until the end of the turn, and those that are not charged yet are charged when they begin.
const RESET_STREAMS: usize = 32;

/// Bytes of unread bodies that [`CONNECTION_COST`] includes.
const FREE_WAITING: usize = 4 << 10;

/// The unit in which unread bodies are charged, in bytes.
const WAITING_BLOCK: usize = 32 << 10;

/// The counters of one connection.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) serving: Arc<Serving>,
    /// The shares of the peer in the budgets.
    pub(super) budgets: Budgets,
    pub(super) stats: Arc<Stats>,
    protocol: Protocol,
    /// Requests that have begun; wraps around.
    begun: AtomicUsize,
    /// Requests without an answer.
    working: AtomicUsize,
    /// The requests among them whose handler waits for bytes of the peer; those of answered requests do not count.
    reading: AtomicUsize,
    /// Answers whose body has not ended.
    answering: AtomicUsize,
    /// Pieces of answers that are not written.
    unread: AtomicUsize,
    /// Bytes of bodies that arrived over HTTP/2, those among them that h2 has passed to their bodies, and those that it has
    /// discarded; they wrap around. Only the connection's own task changes the first two.
    arrived: AtomicUsize,
    delivered: AtomicUsize,
    discarded: AtomicUsize,
    /// Bytes of requests that handlers have read, bytes of answers, and all bytes written; they wrap around.
    received: AtomicUsize,
    sent: AtomicUsize,
    written: AtomicUsize,
    /// Whether the socket accepted no byte at the last write.
    is_blocked: AtomicBool,
    /// The peer has exceeded its allowance of control frames.
    is_flooded: AtomicBool,
    /// The limit that the HTTP/2 peer exceeded, once the collector closes the connection for it.
    exceeded: OnceLock<Closed>,
    /// The collector closes the connection, and discards what its peer sends.
    is_closing: AtomicBool,
    /// The collector has ended its direction.
    is_ended: AtomicBool,
    /// The peer sent bytes after this collector had ended its direction.
    is_late: AtomicBool,
    /// The connection drains.
    is_draining: AtomicBool,
    /// Bytes arrived over HTTP/1 that are not known to complete a request.
    is_mid_message: AtomicBool,
    /// The number of times the connection was polled; wraps around.
    turn: AtomicUsize,
    /// Heads that arrived in this turn and have not become requests yet.
    announced: AtomicUsize,
    /// The heads among them that are not charged for.
    unpaid: AtomicUsize,
    /// Streams that are charged for.
    paid: AtomicUsize,
    /// The most memory that a head which has not arrived completely may take, in bytes; over HTTP/1 that of the largest one so
    /// far, because hyper keeps its buffer.
    head: AtomicUsize,
    /// Bytes over HTTP/1 that are not known to complete a request.
    message: AtomicUsize,
    /// Bytes of unread bodies and incomplete heads that are charged for.
    waiting_paid: AtomicUsize,
    /// Streams that were refused and whose refusals may not be written yet.
    refused: AtomicUsize,
    /// Refusals of such streams whose text is in memory, for example because their peer opens no window for it.
    refusing: AtomicUsize,
    /// The budget has no room for the bytes that the peer sends, so the connection must be closed.
    is_over_budget: AtomicBool,
    account: Mutex<Account>,
}

/// The charge for a connection and its streams.
#[derive(Debug)]
struct Account {
    charge: Charge,
    /// The most streams that were charged for so far.
    most: usize,
}

impl Traffic {
    /// The counters of a connection that has just shown its protocol. `charge` covers the connection and its first block of
    /// streams.
    pub(super) fn new(
        budgets: Budgets,
        serving: Arc<Serving>,
        stats: Arc<Stats>,
        protocol: Protocol,
        charge: Charge,
    ) -> Arc<Self> {
        Arc::new(Self {
            serving,
            budgets,
            stats,
            protocol,
            begun: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            delivered: AtomicUsize::new(0),
            discarded: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            is_blocked: AtomicBool::new(false),
            is_flooded: AtomicBool::new(false),
            exceeded: OnceLock::new(),
            is_closing: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            is_mid_message: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            announced: AtomicUsize::new(0),
            unpaid: AtomicUsize::new(0),
            paid: AtomicUsize::new(BLOCK),
            head: AtomicUsize::new(0),
            message: AtomicUsize::new(0),
            waiting_paid: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            refusing: AtomicUsize::new(0),
            is_over_budget: AtomicBool::new(false),
            account: Mutex::new(Account {
                charge,
                most: BLOCK,
            }),
        })
    }

    /// An upper bound of the number of streams that hold memory. It counts an answer once more for each unwritten piece.
    pub(super) fn streams(&self) -> usize {
        self.under_way() + self.unread.load(Relaxed)
    }

    /// Requests whose answer has not ended.
    pub(super) fn under_way(&self) -> usize {
        self.working.load(Relaxed) + self.answering.load(Relaxed)
    }

    /// Requests whose handler works, not counting those that wait for the peer.
    pub(super) fn busy(&self) -> usize {
        let reading = self.reading.load(Relaxed);
        self.working.load(Relaxed).saturating_sub(reading)
    }

    /// Whether the peer has all its answers and no request in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.streams() == 0
    }

    /// Whether the socket accepted nothing at the last write.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Relaxed)
    }

    /// Whether pieces of answers are still unwritten.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed) > 0
    }

    /// Whether there may be bytes for the peer to read, now or soon.
    pub(super) fn is_answering(&self) -> bool {
        self.is_blocked() || self.is_unread() || self.answering.load(Relaxed) > 0
    }

    /// Bytes written to the socket; wraps around.
    pub(super) fn written(&self) -> usize {
        self.written.load(Relaxed)
    }

    /// Bytes of answers written to the peer; wraps around. Over HTTP/1 they are not distinguished from other bytes.
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

    /// Records bytes of an answer that were written.
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
        // A head of the last turn that did not become a request was a trailer, or h2 refused it.
        self.announced.store(0, Relaxed);
        self.unpaid.store(0, Relaxed);
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

    /// Makes the wire send a GOAWAY with this reason, if an HTTP/2 peer exceeded a limit. Returns whether it does.
    pub(super) fn send_goaway(&self, why: Closed) -> bool {
        let is_due = !self.is_http1() && matches!(why, Closed::Flood | Closed::OverBudget);
        is_due && self.exceeded.set(why).is_ok()
    }

    pub(super) fn exceeded(&self) -> Option<Closed> {
        self.exceeded.get().copied()
    }

    pub(super) fn close(&self) {
        self.is_closing.store(true, Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    /// Records that this collector has ended its direction.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Relaxed);
    }

    /// The number of requests that have begun; wraps around.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Relaxed)
    }

    /// Whether the collector waits for the next request of an HTTP/1 connection.
    pub(super) fn awaits_request(&self) -> bool {
        self.is_idle() && !self.is_ended.load(Relaxed)
    }

    /// Records bytes of the peer that arrived after this collector had ended its direction.
    pub(super) fn arrive_late(&self) {
        self.is_late.store(true, Relaxed);
    }

    /// Whether the peer sent bytes after this collector had ended its direction, which shows that its process runs.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.load(Relaxed)
    }

    pub(super) fn is_http1(&self) -> bool {
        self.protocol == Protocol::Http1
    }

    pub(super) fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// Records bytes that arrived over HTTP/1.
    pub(super) fn begin_message(&self, bytes: usize) {
        self.is_mid_message.store(true, Relaxed);
        self.buffer(bytes);
    }

    pub(super) fn end_message(&self) {
        self.is_mid_message.store(false, Relaxed);
        self.message.store(0, Relaxed);
    }

    /// Whether the connection waits for its peer to close after the last answer. A drain does not wait for a peer that has sent
    /// only whole requests. Over HTTP/2 that cannot be seen from the frames, so the drain waits.
    pub(super) fn lingers(&self) -> bool {
        let may_send = !self.is_http1() || self.is_mid_message.load(Relaxed);
        may_send || !self.is_draining.load(Relaxed)
    }
}
