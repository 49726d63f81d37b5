//! Limits the decoding and encoding of messages: their elements are limited, their memory is charged to the budget `work`, and
//! their work never occupies a thread of the runtime for long.
//!
//! A message has a limited number of elements, whatever its size in bytes, since an element of two bytes may take a hundred in
//! memory. The memory of a message is charged to the share of its peer before it is decoded and until its answer is encoded. Large
//! messages are decoded, and their answers encoded, on the runtime's blocking threads, only a few at a time ([`Work::run`]): the
//! others wait for a permit, and small requests are served meanwhile. A handler that converts many elements also frees its runtime
//! thread for other tasks ([`convert`]).

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

/// The most bytes that are handled on the runtime's threads; larger messages go to the blocking threads. Decoding this many bytes
/// takes less than a millisecond.
const INLINE: usize = 16 << 10;
/// The most elements converted on the runtime's threads. That takes less than a millisecond.
const INLINE_ELEMENTS: usize = 1024;
/// The bytes that a message may take without a charge. The limit on streams bounds their sum.
const FREE: usize = 8 << 10;
/// The bytes charged for an element: its decoded form, its form on the way to the writer, and its part of the answer.
const ELEMENT: usize = 512;
/// The bytes of a field.
const FIELD: usize = 32;
/// Fields allowed for each allowed element. No element of the protocols has as many.
const FIELDS_PER_ELEMENT: usize = 16;

/// The limits and the permits for messages. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Work {
    shared: Arc<Shared>,
    /// The peer whose share of the budget is charged.
    peer: Option<Peer>,
}

#[derive(Debug)]
struct Shared {
    max_batch: usize,
    budget: Budget,
    /// Permits for large messages.
    permits: Arc<Semaphore>,
    refused: Refusals,
}

/// Counts the elements and fields of a message while it is read.
#[derive(Clone, Debug)]
pub struct Count {
    limit: usize,
    elements: usize,
    fields: usize,
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message has too many elements.
    #[error(
        "the message has more than {limit} elements ({MAX_BATCH}): send fewer names in each message"
    )]
    TooManyElements {
        /// The most elements of a message.
        limit: usize,
    },
    /// The memory budget for messages is exhausted.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The runtime is stopping, or the code that handled the message panicked.
    #[error("this collector cannot read the message")]
    Stopped,
}

/// Runs `work`, which converts or frees this many elements. If there are many, another thread first takes over the other tasks of
/// this thread. A single-threaded runtime, which only tests have, runs `work` directly.
pub fn convert<T>(elements: usize, work: impl FnOnce() -> T) -> T {
    let is_shared = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
    if elements > INLINE_ELEMENTS && Handle::try_current().is_ok_and(is_shared) {
        block_in_place(work)
    } else {
        work()
    }
}

impl Work {
    /// Limits messages to `max_batch` elements each and to `budget` together. `refused` counts messages with more elements.
    #[must_use]
    pub fn new(max_batch: usize, budget: Budget, refused: Refusals) -> Self {
        // One permit for every two processors, so that the runtime's threads can continue.
        let permits = thread::available_parallelism().map_or(1, NonZero::get) / 2;
        let shared = Shared {
            max_batch,
            budget,
            permits: Arc::new(Semaphore::new(permits.max(1))),
            refused,
        };
        Self {
            shared: Arc::new(shared),
            peer: None,
        }
    }

    /// The most bytes that a message of `bytes` bytes with at most `max_batch` elements is charged.
    #[must_use]
    pub const fn largest(bytes: usize, max_batch: usize) -> usize {
        let element = ELEMENT + FIELDS_PER_ELEMENT * FIELD;
        bytes.saturating_add(max_batch.saturating_mul(element))
    }

    /// These limits for the messages of `peer`, which are charged to its share of the budget too. Without a peer, as for the
    /// messages of other collectors, they are charged to the budget only.
    #[must_use]
    pub fn for_peer(&self, peer: Option<Peer>) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared, peer }
    }

    /// A count that starts at zero.
    #[must_use]
    pub fn count(&self) -> Count {
        Count {
            limit: self.shared.max_batch,
            elements: 0,
            fields: 0,
        }
    }

    /// Whether a message of this size is handled on the caller's thread.
    #[must_use]
    pub fn is_small(bytes: usize) -> bool {
        bytes <= INLINE
    }

    /// Charges a message of this size with the elements and fields of `count`.
    ///
    /// # Errors
    /// [`Error::OverBudget`].
    pub fn charge(&self, bytes: usize, count: &Count) -> Result<Charge, Error> {
        let elements = count.elements.saturating_mul(ELEMENT);
        self.charge_bytes(bytes + elements + count.fields.saturating_mul(FIELD))
    }

    /// Charges `cost` bytes.
    ///
    /// # Errors
    /// [`Error::OverBudget`].
    pub fn charge_bytes(&self, cost: usize) -> Result<Charge, Error> {
        if cost <= FREE {
            return Ok(self.shared.budget.nothing());
        }
        let budget = &self.shared.budget;
        Ok(match self.peer {
            Some(peer) => budget.share(peer).try_charge(cost)?,
            None => budget.try_charge(cost)?,
        })
    }

    /// Runs `work`, which handles this many bytes: directly if they are few, otherwise on a blocking thread once a permit is
    /// free.
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
        Box::pin(self.run_aside(work)).await // rare, so it takes no room in the caller's future
    }

    /// Runs `work` on a blocking thread once a permit is free.
    async fn run_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permits = Arc::clone(&self.shared.permits);
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|_closed| Error::Stopped)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "decoding or encoding a message failed");
            Error::Stopped
        })
    }

    /// Counts a refused message.
    pub fn refuse(&self, peer: Option<Peer>, error: Error) {
        if let (Error::TooManyElements { .. }, Some(peer)) = (error, peer) {
            self.shared.refused.count(peer, 1);
        }
    }
}

impl Count {
    /// Counts a field of a message or a key of an object.
    ///
    /// # Errors
    /// [`Error::TooManyElements`]: the message has more fields than are allowed for the maximum number of elements.
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

    /// The most elements of a message.
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
