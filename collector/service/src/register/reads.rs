//! Callers that need a read of the store that began after they asked: one read serves all that wait.
//!
//! Each caller takes a ticket. Before a read the writer notes the last ticket that was taken; a read that succeeds serves every
//! ticket up to that one. Tickets take no place in the writer's queue, so that they cannot fill it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::Error;

/// The callers' side. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    last: Arc<AtomicU64>,
    done: watch::Receiver<Done>,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Pending {
    last: Arc<AtomicU64>,
    done: watch::Sender<Done>,
}

/// The last tickets that were served, and that were refused.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    served: u64,
    refused: u64,
}

/// One caller's place.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    done: watch::Receiver<Done>,
}

/// All tickets that were taken before a read.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpTo(u64);

/// Both sides.
pub(super) fn pair() -> (Asked, Pending) {
    let last = Arc::<AtomicU64>::default();
    let (sender, receiver) = watch::channel(Done::default());
    let asked = Asked {
        last: Arc::clone(&last),
        done: receiver,
    };
    (asked, Pending { last, done: sender })
}

impl Done {
    fn last(self) -> u64 {
        self.served.max(self.refused)
    }
}

impl Asked {
    /// Takes a ticket.
    pub(super) fn ask(&self) -> Ticket {
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
    /// [`Error::StoreUnavailable`] or [`Error::Stopped`]: there was none.
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
    /// The tickets that wait, for the read that is about to begin; `None` if none waits.
    pub(super) fn up_to(&self) -> Option<UpTo> {
        let last = self.last.load(Ordering::Acquire);
        (last > self.done.borrow().last()).then_some(UpTo(last))
    }

    /// Serves these tickets: a read that began after [`Pending::up_to`] has succeeded.
    pub(super) fn serve(&self, UpTo(last): UpTo) {
        self.done.send_modify(|done| done.served = last);
    }

    /// Refuses every ticket that waits.
    pub(super) fn refuse(&self) {
        if let Some(UpTo(last)) = self.up_to() {
            self.done.send_modify(|done| done.refused = last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_read_serves_all_that_asked_before_it_and_none_that_asked_later() {
        let (asked, pending) = pair();
        assert!(pending.up_to().is_none());
        let (first, second) = (asked.ask(), asked.ask());
        assert!(first.is_first() && !second.is_first());
        let read = pending.up_to().unwrap();
        let late = asked.ask();
        pending.serve(read);
        first.served().await.unwrap();
        second.served().await.unwrap();
        assert!(late.is_first(), "it has to wake the writer");
        pending.refuse();
        assert!(matches!(late.served().await, Err(Error::StoreUnavailable)));
        let last = asked.ask();
        drop(pending);
        assert!(matches!(last.served().await, Err(Error::Stopped)));
    }
}
