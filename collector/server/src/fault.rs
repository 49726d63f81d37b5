//! Why a request is not answered by its handler, and how its body and its answer agree on that.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use rollcall_limits::{Charge, OverBudget};

/// Why a request is not answered by its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A budget cannot carry it.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The peer owed bytes of it and sent none in time.
    #[error("no bytes of the request arrived within {0:?}")]
    TooSlow(Duration),
    /// Its time limit has passed.
    #[error("the call was not complete within {0:?}")]
    Deadline(Duration),
}

/// A request with a body, shared by its body and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) is_grpc: bool,
    fault: OnceLock<Fault>,
    /// What the body has left behind for the handler.
    kept: Mutex<Option<Charge>>,
}

impl Exchange {
    pub(super) fn new(is_grpc: bool) -> Arc<Self> {
        Arc::new(Self {
            is_grpc,
            fault: OnceLock::new(),
            kept: Mutex::new(None),
        })
    }

    /// Whatever the handler makes of a broken body, `fault` is why it broke.
    pub(super) fn fail(&self, fault: Fault) -> Fault {
        *self.fault.get_or_init(|| fault)
    }

    /// Why the body broke, if a limit did that.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// Keeps what was charged until the request is answered.
    pub(super) fn keep(&self, charge: Charge) {
        if charge.bytes() > 0 {
            *self.kept.lock() = Some(charge);
        }
    }
}
