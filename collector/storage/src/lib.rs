//! What survives: the rows of the inventory and when each instance was last heard of.
//!
//! [`Storage`] is the seam. It is small because the inventory lives in memory: a store is read whole, once, when the
//! collector starts, and from then on only written, one batch after the other, by the one thread that assigns ids.
//! It blocks, so it belongs on that thread and never on a worker of the async runtime.
//!
//! A store may be shared by several collectors, each with an inventory of its own in memory. Then a batch is refused unless
//! its writer has seen all that the others wrote before: [`Commit::Behind`], [`Storage::catch_up`].
//!
//! Providers: [`embedded`], on the local disk; [`etcd`], shared; [`memory`], for tests.

pub mod embedded;
mod error;
pub mod etcd;
mod format;
pub mod memory;
mod version;

#[cfg(test)]
mod contract;
#[cfg(any(test, feature = "test-util"))]
pub mod faulty;
#[cfg(test)]
mod fixtures;

pub use error::Error;

use std::time::Duration;

use futures_util::future::BoxFuture;
use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::{Dictionary, Instance, Row},
    liveness::{Signal, State},
};
use rollcall_etcd::proto::KeyValue;
use tokio_util::sync::CancellationToken;

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
    /// What the collector thought of the instance.
    pub state: State,
    /// The usual interval between two of its signals; zero where it does not lengthen the configured term.
    pub usual: Duration,
}

impl Seen {
    /// An instance that registered, as last heard of then; `None` for any other row. One that others only spoke of (adopted,
    /// and not heard of itself) gets its lease with its first sign.
    #[must_use]
    pub fn registered(row: &Row) -> Option<Self> {
        match row {
            Row::Instance(instance) if !instance.adopted => Some(Self {
                instance: instance.id,
                last_seen: instance.registered_at,
                signal: Signal::Register,
                state: State::Up,
                usual: Duration::ZERO,
            }),
            _ => None,
        }
    }
}

/// What becomes durable together. Either part may be empty.
///
/// Of several entries with the same id in one batch the last one counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    pub rows: &'a [Row],
    pub seen: &'a [Seen],
    /// Of the inventory with these rows, for a store whose other writers compare theirs. It is given to them also if there
    /// are none, but not if all of them are instances whose properties changed: a digest does not cover these.
    pub digest: Option<u64>,
}

/// One thing that a store gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Row(Row),
    Seen(Seen),
    /// What was given before, and is said again: to compare with what became of it.
    Confirmed(Seen),
    /// An instance that was given before, with what it has become. No digest covers what changed.
    Changed(Instance),
    /// The digest of the inventory of whoever wrote the rows before it, with all rows up to here.
    Digest(u64),
    /// What is wrong with a shared store.
    Damage(Damage),
}

/// What is wrong with a shared store that can be read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A key was skipped that says something about now, or that Rollcall did not write.
    Soft { key: String, what: String },
    /// A key is not what it was when it was read, and a collector that starts cannot do without it.
    Hard { key: String, what: String },
    /// No key that a collector needs to start is missing any more.
    Repaired,
}

impl Damage {
    fn soft(pair: &KeyValue, what: impl Into<String>) -> Self {
        let (key, what) = (String::from_utf8_lossy(&pair.key).into_owned(), what.into());
        Self::Soft { key, what }
    }

    fn hard(pair: &KeyValue, what: impl Into<String>) -> Self {
        let (key, what) = (String::from_utf8_lossy(&pair.key).into_owned(), what.into());
        Self::Hard { key, what }
    }
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

impl Counts {
    /// How many records of every kind together.
    #[must_use]
    pub fn records(&self) -> usize {
        let Self {
            applications,
            instances,
            operations,
            addresses,
            seen,
        } = self;
        applications + instances + operations + addresses + seen
    }
}

/// The least ids that dictionaries draw, where an operator has set them: those below belong to an earlier inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstIds {
    pub applications: Option<i32>,
    pub instances: Option<i32>,
    pub operations: Option<i32>,
    pub addresses: Option<i32>,
}

impl FirstIds {
    /// The id of each dictionary that has one.
    pub fn iter(&self) -> impl Iterator<Item = (Dictionary, i32)> {
        let ids = [
            (Dictionary::Applications, self.applications),
            (Dictionary::Instances, self.instances),
            (Dictionary::Operations, self.operations),
            (Dictionary::Addresses, self.addresses),
        ];
        ids.into_iter()
            .filter_map(|(dictionary, first)| Some((dictionary, first?)))
    }
}

/// A store as it is opened.
#[derive(Debug)]
pub struct Opened {
    pub storage: Box<dyn Storage>,
    /// For a store that is shared.
    pub watcher: Option<Box<dyn Watcher>>,
}

/// Tells when other collectors have written to a shared store. It has to run for as long as the store is used.
pub trait Watcher: std::fmt::Debug + Send {
    /// Calls `wake` whenever there is something to catch up on, until cancelled.
    fn run(
        self: Box<Self>,
        wake: Box<dyn Fn() + Send + Sync>,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()>;
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is not durable must not be told"]
pub enum Commit {
    /// All of it survives a crash of the process and a loss of power.
    Durable,
    /// Another collector was first. The batch was made without knowing what that one wrote: catch up, and make it anew.
    Behind,
}

/// A durable store of the inventory, owned by the one thread that writes.
pub trait Storage: std::fmt::Debug + Send + 'static {
    /// Whether other collectors write to it, too.
    fn is_shared(&self) -> bool {
        false
    }

    /// How many records [`Storage::load`] is going to give, or somewhat more, so that there is room for them. Reads few of
    /// them.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn counts(&mut self) -> Result<Counts, Error>;

    /// The least ids that its dictionaries draw. A shared store has none.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn first_ids(&mut self) -> Result<FirstIds, Error> {
        Ok(FirstIds::default())
    }

    /// Gives every id of every dictionary, and every [`Seen`], to `sink`, as last committed; earlier states of an id may
    /// come before that, and a [`Seen`] that was given before and is still the same is [`Record::Confirmed`]. They are handed
    /// over one by one as they are read, so that a store is never held in memory twice.
    ///
    /// # Errors
    /// What was read cannot be trusted ([`Error::Corrupt`]), or reading failed. What the sink has got by then is not
    /// the whole store and must not be used.
    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error>;

    /// Makes a batch durable; the store has been loaded before. After a crash during the call the store holds a beginning of its rows, in their order: all
    /// or none of them, if it has one owner.
    ///
    /// # Errors
    /// Whether the batch is on disk is then unknown, and nobody may be told of it. After [`Error::Unavailable`] it can be
    /// found out by catching up. After any other error the storage accepts nothing more: every further call answers
    /// [`Error::Poisoned`] until the store is opened anew.
    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error>;

    /// Gives what other collectors have made durable since the store was loaded or last caught up: rows as
    /// [`Storage::load`], and each [`Seen`] that is news. It may give what this one wrote itself, too. A store with one
    /// owner has none.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: what was given counts, the rest is to be had later. Otherwise as [`Storage::load`].
    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let _nobody_else_writes = sink;
        Ok(())
    }

    /// As [`Storage::catch_up`], and asks the store itself: afterwards every row has been given that any collector made durable
    /// before the call.
    ///
    /// # Errors
    /// Those of [`Storage::catch_up`].
    fn read_latest(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.catch_up(sink)
    }
}
