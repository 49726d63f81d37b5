//! Charges a connection for its streams when their heads arrive, and for bodies that no handler has read.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rollcall_limits::OverBudget;

use super::{
    BLOCK, FREE_WAITING, MOST_REFUSED, PLACE_COST, RESET_STREAMS, STREAM_COST, Traffic,
    WAITING_BLOCK, Working,
};
use crate::protocol::{CONNECTION_WINDOW, Protocol, STREAM_WINDOW};

/// The connection exceeds its limit of refused streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyRefused;

impl Traffic {
    /// Charges the stream of a head that has arrived. If the budget has no room, the request will be refused.
    ///
    /// # Errors
    /// The connection exceeds its limit of refused streams.
    pub(crate) fn announce(&self) -> Result<(), TooManyRefused> {
        // Only the connection's own task reads heads and begins requests.
        let announced = self.announced.load(Relaxed) + 1;
        let most = self.serving.limits.max_streams_per_connection;
        if self.under_way() + announced > most.saturating_add(RESET_STREAMS) {
            return Ok(()); // h2 refuses the stream and holds no memory for it
        }
        self.announced.store(announced, Relaxed);
        let streams = self.streams() + announced;
        if streams <= self.paid.load(Relaxed) || self.pay().is_ok() {
            return Ok(());
        }
        let unpaid = self.unpaid.load(Relaxed) + 1;
        self.unpaid.store(unpaid, Relaxed);
        let refused = self.refused.load(Relaxed);
        if refused.max(self.refusing.load(Relaxed)) + unpaid > MOST_REFUSED {
            return Err(TooManyRefused);
        }
        Ok(())
    }

    /// Counts a request, and charges its stream unless its head was charged.
    ///
    /// # Errors
    /// The connection budget has no room for another block of streams.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Working, OverBudget> {
        // Only the connection's own task begins requests.
        self.begun.store(self.begun().wrapping_add(1), Relaxed);
        let (announced, unpaid) = (self.announced.load(Relaxed), self.unpaid.load(Relaxed));
        self.announced.store(announced.saturating_sub(1), Relaxed);
        self.unpaid
            .store(unpaid.min(announced.saturating_sub(1)), Relaxed);
        // The streams of charged heads begin first. Pieces of answers that were created since then do not use up these charges.
        let is_charged = announced > unpaid;
        if !is_charged && self.streams() >= self.paid.load(Relaxed) {
            self.pay().inspect_err(|_over| {
                self.refused.fetch_add(1, Relaxed);
            })?;
        }
        Ok(Working::new(self))
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

    /// The bytes of the budget that streams and bodies may not use, so that new connections have room. A peer leaves the same part
    /// of its share free.
    pub(super) fn reserve(&self) -> usize {
        self.serving.budgets.connections.limit() / 4
    }

    /// Charges an incomplete head and the bytes of bodies that wait for their handlers, and releases the charge for bytes that
    /// were read.
    ///
    /// h2 discards bytes that arrive for ended streams without a report. They count as waiting until
    /// [`Traffic::infer_discarded`] or until no request is in progress.
    ///
    /// # Errors
    /// The connection budget has no room for those bytes.
    fn pay_for_waiting(&self) -> Result<(), OverBudget> {
        if self.due_for_waiting() == self.waiting_paid.load(Relaxed) {
            return Ok(());
        }
        let reserve = self.reserve();
        let mut account = self.account.lock();
        let (due, paid) = (self.due_for_waiting(), self.waiting_paid.load(Relaxed));
        if due > paid {
            account.charge.try_grow_leaving(due - paid, reserve)?;
        } else {
            account.charge.shrink(paid - due);
        }
        self.waiting_paid.store(due, Relaxed);
        Ok(())
    }

    /// Releases the charge for bytes that no longer wait. Frames may arrive while a handler reads on another thread, and are
    /// charged at the end of the turn.
    pub(super) fn release_waiting(&self) {
        let mut account = self.account.lock();
        let (due, paid) = (self.due_for_waiting(), self.waiting_paid.load(Relaxed));
        if due < paid {
            account.charge.shrink(paid - due);
            self.waiting_paid.store(due, Relaxed);
        }
    }

    /// The charge for the bytes that wait now, and for an incomplete head.
    fn due_for_waiting(&self) -> usize {
        let waiting = self.waiting() + self.head();
        if waiting <= FREE_WAITING {
            0
        } else {
            waiting.next_multiple_of(WAITING_BLOCK)
        }
    }

    /// An upper bound of the bytes of bodies that have arrived and that no handler has read.
    pub(super) fn waiting(&self) -> usize {
        let most = STREAM_WINDOW.saturating_mul(self.under_way());
        let waiting = without(self.arrived.load(Relaxed), self.gone());
        waiting.min(most.min(CONNECTION_WINDOW))
    }

    /// Bytes of bodies that were read or discarded; wraps around.
    fn gone(&self) -> usize {
        let received = self.received.load(Relaxed);
        received.wrapping_add(self.discarded.load(Relaxed))
    }

    /// Charges waiting bodies, and releases the charge of ended streams. Called at the end of every turn.
    pub(crate) fn settle(&self) {
        // Refusals are answered at once. If the socket accepted all bytes that it was given, the refusals of earlier turns are
        // written.
        if self.refused.load(Relaxed) > 0 && !self.is_blocked() {
            self.refused.store(0, Relaxed);
        }
        if self.protocol == Protocol::Http2 && self.under_way() == 0 {
            self.arrived.store(self.gone(), Relaxed);
        }
        // The body of an HTTP/1 request in progress has a budget of its own, and a refusal of that budget is an answer.
        let is_served = self.is_http1() && self.under_way() > 0;
        if self.pay_for_waiting().is_err() && !is_served {
            self.refuse_all();
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

    /// Whether the peer keeps opening streams that are refused, or sent more than the budget has room for.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.is_over_budget.load(Relaxed)
    }

    /// Marks the connection to be closed, because the budget has no room for the bytes that the peer sends.
    pub(crate) fn refuse_all(&self) {
        self.is_over_budget.store(true, Relaxed);
    }

    /// Records bytes of a request that a handler has read.
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes, Relaxed);
        if self.waiting_paid.load(Relaxed) > 0 && self.waiting() <= FREE_WAITING {
            self.release_waiting(); // now: the next turn of the connection may be far off
        }
    }

    /// Bytes that h2 has passed to their bodies; wraps around.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered.load(Relaxed)
    }

    /// Records that h2 has passed everything that arrived to the bodies.
    pub(crate) fn deliver(&self) {
        self.delivered.store(self.arrived.load(Relaxed), Relaxed);
    }

    /// Infers the bytes that h2 has discarded. The caller is a request that has read all of its own bytes among the `delivered`
    /// ones. If no other request is in progress, h2 has discarded those of them that no handler has read. The handler may run on
    /// another thread, so more bytes may arrive meanwhile.
    pub(crate) fn infer_discarded(&self, delivered: usize) {
        let discarded = self.discarded.load(Relaxed);
        let unaccounted = without(delivered, self.gone());
        if unaccounted > 0 && self.under_way() == 1 {
            let more = discarded.wrapping_add(unaccounted);
            // It fails only after another request has recorded the same.
            let (Ok(_) | Err(_)) = self
                .discarded
                .compare_exchange(discarded, more, Relaxed, Relaxed);
        }
    }

    /// Subtracts bytes that arrived and that h2 discards at once, such as padding.
    pub(crate) fn disregard(&self, bytes: usize) {
        let arrived = self.arrived.load(Relaxed).wrapping_sub(bytes);
        self.arrived.store(arrived, Relaxed);
    }

    /// Records bytes of a body that arrived over HTTP/2.
    pub(crate) fn arrive(&self, bytes: usize) {
        // Only the connection's own task reads frames.
        let arrived = self.arrived.load(Relaxed).wrapping_add(bytes);
        self.arrived.store(arrived, Relaxed);
    }
}

/// The bytes of `all` that are not `gone`; both wrap around. More bytes are gone than arrived if a body is read after its request
/// has ended.
fn without(all: usize, gone: usize) -> usize {
    let left = all.wrapping_sub(gone);
    if left > usize::MAX / 2 { 0 } else { left }
}
