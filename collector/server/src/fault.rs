//! The reasons why a request is not answered by its handler. The body and the answer of a request share this state.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rollcall_limits::{Charge, OverBudget};

/// The most header fields of a request: hyper's default for HTTP/1. Over HTTP/2 a field may take one byte on the wire and more than
/// a hundred bytes in memory.
pub(super) const MOST_FIELDS: usize = 100;

/// Why a request is not answered by its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A budget has no room for the request.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The request has more than 100 header fields.
    #[error("the request has {0} header fields, and {MOST_FIELDS} is the most")]
    TooManyFields(usize),
    /// The peer did not send the missing bytes of the request in time.
    #[error("less than 1 KiB of the request arrived within {0:?}")]
    TooSlow(Duration),
    /// The call exceeded its time limit.
    #[error("the call was not complete within {0:?}")]
    Deadline(Duration),
}

// The states of a handler.
/// It has not answered, and does not wait for bytes of its peer.
const WORKING: u8 = 0;
/// It has not answered, and waits for bytes of its peer.
const WAITING: u8 = 1;
/// It has answered. It may read on, but its request no longer counts as working.
const ANSWERED: u8 = 2;

/// State of a request with a body, shared by the body and the answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) is_grpc: bool,
    /// One of the states above.
    handler: AtomicU8,
    /// The whole body was read.
    is_read: AtomicBool,
    fault: OnceLock<Fault>,
    /// The charge of the body, kept for the handler.
    kept: Mutex<Option<Charge>>,
}

impl Exchange {
    pub(super) fn new(is_grpc: bool) -> Arc<Self> {
        Arc::new(Self {
            is_grpc,
            handler: AtomicU8::new(WORKING),
            is_read: AtomicBool::new(false),
            fault: OnceLock::new(),
            kept: Mutex::new(None),
        })
    }

    /// Records whether the handler waits for bytes. Returns whether this changed the state; always `false` after the answer.
    pub(super) fn set_waiting(&self, is_waiting: bool) -> bool {
        let (before, after) = if is_waiting {
            (WORKING, WAITING)
        } else {
            (WAITING, WORKING)
        };
        let change = || {
            let changed = self
                .handler
                .compare_exchange(before, after, Relaxed, Relaxed);
            changed.is_ok()
        };
        self.handler.load(Relaxed) == before && change()
    }

    /// Records that the request is answered or abandoned. Returns whether its handler was waiting.
    pub(super) fn answer(&self) -> bool {
        self.handler.swap(ANSWERED, Relaxed) == WAITING
    }

    pub(super) fn end_body(&self) {
        self.is_read.store(true, Relaxed);
    }

    /// Whether the whole body was read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read.load(Relaxed)
    }

    /// Records why the body failed, for the answer. Returns the first fault.
    pub(super) fn fail(&self, fault: Fault) -> Fault {
        *self.fault.get_or_init(|| fault)
    }

    /// The fault with which the body failed, if a limit caused the failure.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// Holds a charge until the request is answered.
    pub(super) fn keep(&self, charge: Charge) {
        if charge.bytes() > 0 {
            *self.kept.lock() = Some(charge);
        }
    }
}
