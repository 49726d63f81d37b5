//! Durable storage of the inventory's rows and of the time at which each instance was last seen.
//!
//! [`Storage`] is the interface. It is small because the inventory lives in memory: the collector reads the whole store once,
//! at its start. From then on the writer, the one thread that assigns ids, only writes to it, batch by batch. Calls block, so
//! they belong on that thread and never on a worker of the async runtime.
//!
//! Several collectors may share a store, each with its own inventory in memory. A batch then conflicts unless its writer has
//! read everything that the other collectors wrote before: [`Commit::Conflict`], [`Storage::catch_up`].
//!
//! Providers: [`embedded`], on the local disk; [`etcd`], shared; [`memory`], for tests.

#![warn(missing_docs)]

mod codec;
pub mod embedded;
mod error;
pub mod etcd;
pub mod memory;
mod part;
mod version;

#[cfg(test)]
mod contract;
#[cfg(any(test, feature = "test-util"))]
pub mod faulty;
#[cfg(test)]
mod fixtures;

pub use error::Error;
pub use part::{Part, Reader};
pub use rollcall_snapshot::{Error as SnapshotError, Snapshot};

use std::time::Duration;

use futures_util::future::BoxFuture;
use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::{Dictionary, Instance, Row},
    liveness::{Signal, State},
    membership::Tag,
};
use rollcall_etcd::proto::KeyValue;
use tokio_util::sync::CancellationToken;

/// When an instance was last seen, and the state that the collector derived from that.
///
/// The stored value may be old by up to the interval of the write-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// The instance.
    pub instance: InstanceId,
    /// When the last signal arrived, by the collector's wall clock. It is shown to users and never compared with a deadline.
    pub last_seen: Timestamp,
    /// The kind of the last signal.
    pub signal: Signal,
    /// The state of the instance at the write-back.
    pub state: State,
    /// The usual interval between two signals of the instance; zero if it does not lengthen the configured term.
    pub usual: Duration,
    /// The member that observed the signal, if several share the store; `None` if unknown.
    pub observer: Option<Tag>,
    /// Whether the instance is forgotten: down or left, and no longer counted and listed.
    pub forgotten: bool,
}

impl LastSeen {
    /// The entry of a newly registered instance, last seen when it registered; `None` for any other row. An adopted instance has no
    /// entry, because other messages may only have mentioned it: its first signal grants its lease.
    #[must_use]
    pub fn registered(row: &Row) -> Option<Self> {
        match row {
            Row::Instance(instance) if !instance.adopted => Some(Self {
                instance: instance.id,
                last_seen: instance.registered_at,
                signal: Signal::Register,
                state: State::Up,
                usual: Duration::ZERO,
                observer: None,
                forgotten: false,
            }),
            _ => None,
        }
    }
}

/// Rows and last-seen times that become durable together. Either part may be empty.
///
/// If several entries have the same id, the last one is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch<'a> {
    /// New and changed rows.
    pub rows: &'a [Row],
    /// Last-seen times.
    pub seen: &'a [LastSeen],
    /// The digest of the inventory with these rows, which other members compare with theirs. It is stored even with an empty batch,
    /// but not with a batch that only changes properties, which no digest covers.
    pub digest: Option<u64>,
}

/// One record read from a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A row.
    Row(Row),
    /// A last-seen time that is new to the reader.
    LastSeen(LastSeen),
    /// A record that was read before and is unchanged. The reader compares it with its present state.
    Unchanged(LastSeen),
    /// The present state of an instance that was read before. The digest does not cover the change.
    Changed(Instance),
    /// The digest that the writer of the preceding rows computed over its inventory, with all rows up to this record.
    Digest(u64),
    /// Damage to a shared store.
    Damage(Damage),
}

/// Damage to a shared store that the collector can still read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A key of soft state, or one that Rollcall did not write, was skipped.
    Soft {
        /// The key.
        key: String,
        /// The problem, and the action taken.
        what: String,
    },
    /// A key of hard state changed or vanished after it was read. A collector cannot start without it.
    Hard {
        /// The key.
        key: String,
        /// The problem.
        what: String,
    },
    /// Every key that a collector needs at its start is present again.
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

/// The number of records of each kind in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of applications, the reserved one included.
    pub applications: usize,
    /// Rows of instances.
    pub instances: usize,
    /// Rows of operations, the reserved one included.
    pub operations: usize,
    /// Rows of addresses.
    pub addresses: usize,
    /// Last-seen times.
    pub seen: usize,
}

impl Counts {
    /// The number of records of all kinds.
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

/// The lowest ids, by magnitude, that the dictionaries assign, if an operator has set them. Lower ids belong to an earlier
/// inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstIds {
    /// The first id of an application.
    pub applications: Option<i32>,
    /// The first id of an instance.
    pub instances: Option<i32>,
    /// The first id of an operation.
    pub operations: Option<i32>,
    /// The first id of an address.
    pub addresses: Option<i32>,
}

impl FirstIds {
    /// The dictionaries with a first id, and the id.
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

/// An open store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub storage: Box<dyn Storage>,
    /// `Some` for a shared store.
    pub watcher: Option<Box<dyn Watcher>>,
}

/// Watches a shared store for the writes of other collectors. It must run as long as the store is in use.
pub trait Watcher: std::fmt::Debug + Send {
    /// Calls `wake` after every change that [`Storage::catch_up`] can read, until cancelled.
    fn run(
        self: Box<Self>,
        wake: Box<dyn Fn() + Send + Sync>,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()>;
}

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only durable rows may be acknowledged"]
pub enum Commit {
    /// The whole batch survives a crash of the process and a loss of power.
    Durable,
    /// Another collector committed first, and this batch was built without its rows. Catch up and build the batch again.
    Conflict,
}

/// A durable store of the inventory, owned by the writer's thread.
pub trait Storage: std::fmt::Debug + Send + 'static {
    /// Whether other collectors write to the store, too.
    fn is_shared(&self) -> bool {
        false
    }

    /// The number of records that [`Storage::load`] will read, or a slightly larger number, so that the caller can reserve memory.
    /// Reads only a few records.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn counts(&mut self) -> Result<Counts, Error>;

    /// The configured first ids. A shared store has none.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn first_ids(&mut self) -> Result<FirstIds, Error> {
        Ok(FirstIds::default())
    }

    /// Whether the store replaces one that was lost, whose ids agents may hold.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn is_lost(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    /// Records with the next commit that the store no longer counts as one that replaces a lost one.
    fn forget_loss(&mut self) {}

    /// Emits every row and every [`LastSeen`] to `sink`, as last committed. Earlier states of an id may precede the last one, and a
    /// [`LastSeen`] that was read before and is unchanged is [`Record::Unchanged`]. The records are emitted one by one as they are
    /// read, so a store is never held in memory twice.
    ///
    /// # Errors
    /// The contents cannot be trusted ([`Error::Corrupt`]), or reading failed. Records emitted before the error are not the whole
    /// store and must not be used.
    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error>;

    /// As [`Storage::load`], in parts that any thread can decode: a start reads millions of records.
    ///
    /// # Errors
    /// Those of [`Storage::load`], and those of `take`.
    fn load_parts(&mut self, take: &mut dyn FnMut(Part) -> Result<(), Error>) -> Result<(), Error> {
        part::gather(take, |sink| self.load(sink))
    }

    /// Makes a batch durable. The store must have been loaded. A crash during the call leaves a prefix of the rows in the
    /// store; a store with one owner holds all or none of them.
    ///
    /// # Errors
    /// The state of the batch on disk is unknown, and the writer must not acknowledge it. After a transient error
    /// ([`Error::is_transient`]) the next `catch_up` emits what became durable. After any other error every further call returns
    /// [`Error::Poisoned`] until the store is opened again.
    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error>;

    /// Emits what other collectors made durable since the store was loaded or last caught up: rows as in [`Storage::load`], and
    /// each changed [`LastSeen`]. It may also emit this collector's own writes.
    ///
    /// A store with one owner has nothing to read. After a commit with a transient error it writes the batch again, and emits the
    /// rows of the batch and the last-seen times of the instances that it forgets; otherwise it emits nothing.
    ///
    /// # Errors
    /// A transient error ([`Error::is_transient`]): the emitted records are valid, a later call reads the rest. Otherwise as
    /// [`Storage::load`].
    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let _only_writer = sink;
        Ok(())
    }

    /// As [`Storage::catch_up`], but always reads from the store itself. When it returns, it has emitted every row that any
    /// collector made durable before the call.
    ///
    /// # Errors
    /// Those of [`Storage::catch_up`].
    fn read_latest(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.catch_up(sink)
    }

    /// The last committed state, for a backup. It stays readable while batches are committed, and ends with the store. `None` if
    /// the store has no backups of its own.
    ///
    /// # Errors
    /// Those of [`Storage::load`].
    fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        Ok(None)
    }
}
