//! What survives: the rows of the inventory and when each instance was last heard of.
//!
//! [`Storage`] is the seam. It is small because the inventory lives in memory: a store is read whole, once, when the
//! collector starts, and from then on only written, one batch after the other, by the one thread that assigns ids.
//! It blocks, so it belongs on that thread and never on a worker of the async runtime.
//!
//! Providers: [`embedded`], on the local disk; [`memory`], for tests.

pub mod embedded;
mod error;
mod format;
pub mod memory;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod faulty;

pub use error::Error;

use rollcall_domain::{InstanceId, Timestamp, inventory::Row, liveness::Signal};

/// When an instance was last heard of, and what the collector thought of it then.
///
/// Coarse: it is written back lazily, some time after the fact, so a store may be behind the truth by that much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub instance: InstanceId,
    /// By the collector's wall clock; shown to people, never compared with a deadline.
    pub last_seen: Timestamp,
    /// What was last heard.
    pub signal: Signal,
    /// The collector had given the instance up for down.
    pub down: bool,
}

/// What becomes durable together. Either part may be empty.
///
/// Of several entries with the same id in one batch the last one counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    pub rows: &'a [Row],
    pub seen: &'a [Seen],
}

/// One thing that a store gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Row(Row),
    Seen(Seen),
}

/// How many records a store holds, of every kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub applications: usize,
    pub instances: usize,
    pub operations: usize,
    pub addresses: usize,
    pub seen: usize,
}

/// A durable store of the inventory, owned by the one thread that writes.
pub trait Storage: std::fmt::Debug + Send + 'static {
    /// How many records [`Storage::load`] is going to give, so that there is room for them. Reads none of them.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn counts(&mut self) -> Result<Counts, Error>;

    /// Gives every id of every dictionary, and every [`Seen`], to `sink`: each once, as last committed, in no
    /// particular order. They are handed over one by one as they are read, so that a store is never held in memory
    /// twice.
    ///
    /// # Errors
    /// What was read cannot be trusted ([`Error::Corrupt`]), or reading failed. What the sink has got by then is not
    /// the whole store and must not be used.
    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error>;

    /// Makes a batch durable: when this returns `Ok`, all of it survives a crash of the process and a loss of power.
    /// After a crash during the call the store holds the whole batch or none of it.
    ///
    /// # Errors
    /// Whether the batch is on disk is then unknown, and nobody may be told of it. The storage accepts nothing more:
    /// every further call answers [`Error::Poisoned`] until the store is opened anew.
    fn commit(&mut self, batch: Batch<'_>) -> Result<(), Error>;
}
