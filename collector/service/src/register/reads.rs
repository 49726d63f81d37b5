//! Requests for a read of the store that begins after the request. One read serves all waiting callers.
//!
//! Each caller takes a ticket. Before a read the writer records the last ticket; a successful read serves every ticket up to
//! that one. Tickets occupy no place in the writer's queue, so they cannot fill it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::Error;

/// The callers' side. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    last: Arc<AtomicU64>,
    done: watch::Receiver<Done>,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Pending {
    last: Arc<AtomicU64>,
    done: watch::Sender<Done>,
}

/// The last ticket that was served, and the last that was refused.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    served: u64,
    refused: u64,
}

/// One caller's request.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    done: watch::Receiver<Done>,
}

/// All tickets up to this number, which were taken before a read.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpTo(u64);

/// Both sides.
pub(super) fn pair() -> (Requests, Pending) {
    let last = Arc::<AtomicU64>::default();
    let (sender, receiver) = watch::channel(Done::default());
    let requests = Requests {
        last: Arc::clone(&last),
        done: receiver,
    };
    (requests, Pending { last, done: sender })
}

impl Done {
    fn last(self) -> u64 {
        self.served.max(self.refused)
    }
}

impl Requests {
    /// Takes a ticket.
    pub(super) fn take_ticket(&self) -> Ticket {
        Ticket {
            number: self.last.fetch_add(1, Ordering::AcqRel) + 1,
            done: self.done.clone(),
        }
    }
}

impl Ticket {
    /// Whether no earlier ticket waits, so that the writer may sleep.
    pub(super) fn is_first(&self) -> bool {
        self.done.borrow().last() + 1 == self.number
    }

    /// Waits for a read that began after the ticket was taken.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`] or [`Error::Stopped`]: there was no such read.
    pub(super) async fn served(mut self) -> Result<(), Error> {
        let number = self.number;
        let done = self.done.wait_for(|done| done.last() >= number).await;
        match done {
            Ok(done) if done.served >= number => Ok(()),
            Ok(_refused) => Err(Error::StoreUnavailable),
            Err(_ended) => Err(Error::Stopped),
        }
    }
}

impl Pending {
    /// The waiting tickets, for the read that is about to begin; `None` if no ticket waits.
    pub(super) fn up_to(&self) -> Option<UpTo> {
        let last = self.last.load(Ordering::Acquire);
        (last > self.done.borrow().last()).then_some(UpTo(last))
    }

    /// Serves these tickets: a read that began after [`Pending::up_to`] has succeeded.
    pub(super) fn serve(&self, UpTo(last): UpTo) {
        self.done.send_modify(|done| done.served = last);
    }

    /// Refuses every waiting ticket.
    pub(super) fn refuse(&self) {
        if let Some(UpTo(last)) = self.up_to() {
            self.done.send_modify(|done| done.refused = last);
        }
    }
}

#[cfg(test)]
mod tests;
