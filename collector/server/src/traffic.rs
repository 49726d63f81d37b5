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
use rollcall_limits::{Charge, OverBudget};

use super::protocol::{CONNECTION_WINDOW, Protocol};
use super::{Serving, Stats};

#[cfg(test)]
mod tests;

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

    /// Charges the stream of a head that has arrived. Without memory for it, its request will be refused.
    ///
    /// # Errors
    /// More streams would be refused than a connection may have refused.
    pub(super) fn announce(&self) -> Result<(), TooManyRefused> {
        // Only the connection's own task reads heads and begins requests.
        let announced = self.announced.load(Relaxed) + 1;
        self.announced.store(announced, Relaxed);
        let streams = self.streams() + announced;
        if streams <= self.paid.load(Relaxed) || self.pay().is_ok() {
            return Ok(());
        }
        let unpaid = streams.saturating_sub(self.paid.load(Relaxed));
        if self.refused.load(Relaxed) + unpaid > MOST_REFUSED {
            return Err(TooManyRefused);
        }
        Ok(())
    }

    /// Counts a request, and charges the memory of its stream unless its head was charged.
    ///
    /// # Errors
    /// The budget of connections cannot carry another block of streams.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Working, OverBudget> {
        let announced = self.announced.load(Relaxed);
        self.announced.store(announced.saturating_sub(1), Relaxed);
        if self.streams() >= self.paid.load(Relaxed) {
            self.pay().inspect_err(|_over| {
                self.refused.fetch_add(1, Relaxed);
            })?;
        }
        self.working.fetch_add(1, Relaxed);
        Ok(Working(Arc::clone(self)))
    }

    /// Charges another block of streams.
    fn pay(&self) -> Result<(), OverBudget> {
        let reserve = self.reserve();
        let mut account = self.account.lock();
        let paid = self.paid.load(Relaxed) + BLOCK;
        let places = paid.saturating_sub(account.most) * PLACE_COST;
        let due = BLOCK * (STREAM_COST - PLACE_COST) + places;
        account.charge.try_grow_leaving(due, reserve)?;
        account.most = account.most.max(paid);
        self.paid.store(paid, Relaxed);
        Ok(())
    }

    /// What is left to connections, in bytes, so that streams and bodies alone never keep a new peer out.
    fn reserve(&self) -> usize {
        self.serving.budgets.connections.limit() / 4
    }

    /// Charges the bytes of bodies that wait for their handlers, and gives back what was charged for bytes that were read.
    ///
    /// h2 discards bytes of streams that have ended without a report. They count as waiting until no request is under way.
    ///
    /// # Errors
    /// The budget of connections cannot carry them.
    fn pay_for_waiting(&self) -> Result<(), OverBudget> {
        let waiting = self.waiting();
        let due = if waiting <= FREE_WAITING {
            0
        } else {
            waiting.next_multiple_of(WAITING_BLOCK)
        };
        if due == self.waiting_paid.load(Relaxed) {
            return Ok(());
        }
        let reserve = self.reserve();
        let mut account = self.account.lock();
        let paid = self.waiting_paid.load(Relaxed);
        if due > paid {
            account.charge.try_grow_leaving(due - paid, reserve)?;
        } else {
            account.charge.shrink(paid - due);
        }
        self.waiting_paid.store(due, Relaxed);
        Ok(())
    }

    /// Bytes of bodies that have arrived and that no handler has read, or a few more.
    fn waiting(&self) -> usize {
        let waiting = self
            .arrived
            .load(Relaxed)
            .wrapping_sub(self.received.load(Relaxed));
        // More was read than arrived if a body is read after its request has ended.
        let is_behind = waiting > usize::MAX / 2;
        if is_behind {
            0
        } else {
            waiting.min(CONNECTION_WINDOW)
        }
    }

    /// Charges the bodies that wait, and gives back what was charged for streams that have ended; called at the end of every
    /// turn.
    pub(super) fn settle(&self) {
        if self.protocol == Protocol::Http2 {
            if self.under_way() == 0 {
                self.arrived.store(self.received.load(Relaxed), Relaxed);
            }
            if self.pay_for_waiting().is_err() {
                self.refuse_all();
            }
        }
        let paid = self.paid.load(Relaxed);
        let used = self.streams().next_multiple_of(BLOCK).max(BLOCK);
        if paid >= 4 * used {
            let mut account = self.account.lock();
            let ended = (paid - used) * (STREAM_COST - PLACE_COST);
            account.charge.shrink(ended);
            self.paid.store(used, Relaxed);
        }
    }

    /// Whether the peer goes on opening streams that are refused, or sends more than can be held.
    pub(super) fn is_over_budget(&self) -> bool {
        self.refused.load(Relaxed) > MOST_REFUSED
    }

    /// There is no memory for what the peer sends: the connection is about to be closed.
    pub(super) fn refuse_all(&self) {
        self.refused.store(MOST_REFUSED + 1, Relaxed);
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

    /// A handler has read so many bytes of a request.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes, Relaxed);
        if self.waiting_paid.load(Relaxed) > 0 && self.waiting() <= FREE_WAITING {
            // Gives back and charges nothing: no turn of the connection may follow for a long time.
            let given_back = self.pay_for_waiting();
            debug_assert!(given_back.is_ok(), "nothing is charged");
        }
    }

    /// So many bytes of a body arrive over HTTP/2.
    pub(super) fn arrive(&self, bytes: usize) {
        // Only the connection's own task reads frames.
        let arrived = self.arrived.load(Relaxed).wrapping_add(bytes);
        self.arrived.store(arrived, Relaxed);
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

/// More streams of one connection would be refused than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyRefused;

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Working(Arc<Traffic>);

impl Working {
    /// The answer has begun.
    pub(super) fn answer(self) -> Answering {
        self.0.answering.fetch_add(1, Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Relaxed);
    }
}

/// An answer whose body has not ended.
#[derive(Debug)]
pub(super) struct Answering(Arc<Traffic>);

impl Answering {
    /// A piece of it, until it is written.
    pub(super) fn piece(&self) -> Unread {
        self.0.unread.fetch_add(1, Relaxed);
        Unread(Arc::clone(&self.0))
    }

    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Relaxed);
    }
}

/// A piece of an answer that is not written.
#[derive(Debug)]
pub(super) struct Unread(Arc<Traffic>);

impl Unread {
    pub(super) fn write(&self, bytes: usize) {
        self.0.send(bytes);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.unread.fetch_sub(1, Relaxed);
    }
}

/// Marks a request as reading while its handler waits for bytes.
#[derive(Debug)]
pub(super) struct Reading {
    traffic: Arc<Traffic>,
    is_waiting: bool,
}

impl Reading {
    pub(super) fn new(traffic: &Arc<Traffic>) -> Self {
        Self {
            traffic: Arc::clone(traffic),
            is_waiting: false,
        }
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(super) fn set_waiting(&mut self, is_waiting: bool) {
        if self.is_waiting == is_waiting {
            return;
        }
        self.is_waiting = is_waiting;
        if is_waiting {
            self.traffic.reading.fetch_add(1, Relaxed);
        } else {
            self.traffic.reading.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}
