//! Reading and writing messages: bounded in elements, charged to the budget `work`, and never long on the runtime's threads.
//!
//! A message has a bounded number of elements, whatever its size in bytes, since an element of two bytes may take a hundred
//! in memory. What a message is going to take is charged before it is decoded and until its answer is encoded. A large
//! message is decoded, and its answer encoded, on the runtime's blocking threads. Only so many of these work at a time
//! ([`Work::run`]): others wait for their turn, and small requests are served meanwhile. What a handler does with many elements
//! between its look-ups leaves the runtime's threads too ([`convert`]).

use std::{num::NonZero, sync::Arc, thread};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task::{block_in_place, spawn_blocking},
};

use crate::{Budget, Charge, OverBudget, Peer, Refusals};

#[cfg(test)]
mod tests;

/// The key of the limit on elements.
pub const MAX_BATCH: &str = "register.default.max_batch";

/// Bytes that are worked on by the runtime's threads; more goes to the blocking threads. Decoding as many takes less than a
/// millisecond.
const INLINE: usize = 16 << 10;
/// Elements that are converted by the runtime's threads. That takes less than a millisecond.
const INLINE_ELEMENTS: usize = 1024;
/// What a message may take without a charge, in bytes. It is bounded by the number of streams.
const FREE: usize = 8 << 10;
/// What an element takes: decoded, on its way to the writer, and in the answer, in bytes.
const ELEMENT: usize = 512;
/// What a field takes, in bytes.
const FIELD: usize = 32;
/// Fields that a message may have for each element that it may have. No element of the protocols has as many.
const FIELDS_PER_ELEMENT: usize = 16;

/// Where messages are read and written. A cheap clone is the same.
#[derive(Clone, Debug)]
pub struct Work(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_batch: usize,
    budget: Budget,
    /// For large messages.
    turns: Arc<Semaphore>,
    refused: Refusals,
}

/// Counts what a message consists of, while it is read.
#[derive(Clone, Debug)]
pub struct Count {
    limit: usize,
    elements: usize,
    fields: usize,
}

/// Why a message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has more elements than one message may.
    #[error(
        "the message has more than {limit} elements ({MAX_BATCH}): send fewer names in each message"
    )]
    TooManyElements {
        /// How many it may have.
        limit: usize,
    },
    /// The memory for messages is in use.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The runtime stops, or the code that read the message failed.
    #[error("this collector can read no more messages")]
    Stopped,
}

/// Runs `work`, which converts or frees so many elements. If they are many, another thread first takes over the tasks of this
/// one. A runtime with a single thread, which only tests have, runs it as it is.
pub fn convert<T>(elements: usize, work: impl FnOnce() -> T) -> T {
    let is_shared = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
    if elements > INLINE_ELEMENTS && Handle::try_current().is_ok_and(is_shared) {
        block_in_place(work)
    } else {
        work()
    }
}

impl Work {
    /// For messages of at most `max_batch` elements each, which together take no more than `budget`. `refused` counts the
    /// messages with more elements.
    #[must_use]
    pub fn new(max_batch: usize, budget: Budget, refused: Refusals) -> Self {
        // Half of the processors at most, so that the runtime's threads go on.
        let turns = thread::available_parallelism().map_or(1, NonZero::get) / 2;
        Self(Arc::new(Shared {
            max_batch,
            budget,
            turns: Arc::new(Semaphore::new(turns.max(1))),
            refused,
        }))
    }

    /// Nothing counted yet.
    #[must_use]
    pub fn count(&self) -> Count {
        Count {
            limit: self.0.max_batch,
            elements: 0,
            fields: 0,
        }
    }

    /// Whether a message of so many bytes is read by the caller itself.
    #[must_use]
    pub fn is_small(bytes: usize) -> bool {
        bytes <= INLINE
    }

    /// Charges a message of so many bytes, and of what was counted in it.
    ///
    /// # Errors
    /// [`Error::OverBudget`].
    pub fn charge(&self, bytes: usize, count: &Count) -> Result<Charge, Error> {
        let elements = count.elements.saturating_mul(ELEMENT);
        self.charge_bytes(bytes + elements + count.fields.saturating_mul(FIELD))
    }

    /// Charges so many bytes.
    ///
    /// # Errors
    /// [`Error::OverBudget`].
    pub fn charge_bytes(&self, cost: usize) -> Result<Charge, Error> {
        if cost <= FREE {
            return Ok(self.0.budget.nothing());
        }
        Ok(self.0.budget.try_charge(cost)?)
    }

    /// Runs `work`, which handles so many bytes: here if they are few, otherwise on a blocking thread when it is its turn.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if Self::is_small(bytes) {
            return Ok(work());
        }
        let turns = Arc::clone(&self.0.turns);
        let turn = turns
            .acquire_owned()
            .await
            .map_err(|_closed| Error::Stopped)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "reading or writing a message failed");
            Error::Stopped
        })
    }

    /// Counts a message that was refused.
    pub fn refuse(&self, peer: Option<Peer>, error: Error) {
        if let (Error::TooManyElements { .. }, Some(peer)) = (error, peer) {
            self.0.refused.count(peer, 1);
        }
    }
}

impl Count {
    /// Counts a field of a message or a key of an object.
    ///
    /// # Errors
    /// [`Error::TooManyElements`]: the message has more fields than so many elements have.
    pub fn field(&mut self) -> Result<(), Error> {
        self.fields += 1;
        if self.fields / FIELDS_PER_ELEMENT > self.limit {
            return Err(self.error());
        }
        Ok(())
    }

    /// Counts elements of a list.
    ///
    /// # Errors
    /// [`Error::TooManyElements`].
    pub fn elements(&mut self, count: usize) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > self.limit {
            return Err(self.error());
        }
        Ok(())
    }

    /// How many elements a message may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Elements counted so far.
    #[must_use]
    pub fn total(&self) -> usize {
        self.elements
    }

    fn error(&self) -> Error {
        Error::TooManyElements { limit: self.limit }
    }
}
