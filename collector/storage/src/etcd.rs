//! A store that several collectors share: a log in etcd.
//!
//! # Guarantees
//!
//! * [`Etcd::commit`] returns [`Commit::Durable`] when a majority of the etcd cluster has the batch on disk.
//! * A collector writes entry n + 1 only if it has applied entries 1 to n. Each entry is a key of its own. The transaction that
//!   creates it succeeds only if the key is absent and the entry before it is the one that the writer applied. So all
//!   collectors read one sequence of batches, whichever of them wrote an entry or considered itself the owner, and a collector
//!   that was paused or disconnected never writes on top of stale data.
//! * Every read is verified: each entry and each chunk has a checksum.
//! * A collector that read a later state of etcd detects a rollback to an earlier one and writes nothing to it:
//!   [`Error::Unreadable`]. A collector that starts afterwards accepts the earlier state, and agents keep their ids (they are
//!   adopted).
//!
//! While no majority is available, every call returns [`Error::Unavailable`]; while this collector lacks permission,
//! [`Error::Refused`].
//!
//! # Why a log, and what is stored besides it
//!
//! The inventory lives in memory, so rows are never looked up here: a collector reads all of them in order, then applies new
//! ones as they arrive. An etcd transaction has at most 128 operations and a request 1.5 MiB; an entry of a log is one
//! operation for any number of rows.
//!
//! The log has the data that never changes: the key of each id. Data that changes is in keys that are overwritten: the generation
//! and properties of each instance in one key, and last-seen times in chunks of many instances. As the log grows, a snapshot of
//! fewer, larger keys replaces its beginning (`log/snapshot.rs` explains why this is safe for every collector). So the bytes in
//! etcd depend on the number of instances, operations and addresses, and not on how long or how often they report. etcd itself
//! keeps the history of all keys until it is compacted: `docs/scaling.md`.
//!
//! # Damage
//!
//! The format, the log and the snapshot are hard state: a collector that starts refuses a key that it cannot read, and names it
//! ([`Error::Unreadable`]). A running collector reports a key that vanishes or is overwritten
//! ([`Damage::Hard`](super::Damage::Hard)) and continues with its inventory in memory. Changed instances and chunks are soft
//! state: a key that cannot be read is reported ([`Damage::Soft`](super::Damage::Soft)), skipped, and deleted or rewritten. A
//! key that Rollcall did not write is reported and ignored.
//!
//! # Keys
//!
//! | Key, below `/rollcall` or `/<namespace>/rollcall` | Value |
//! |---|---|
//! | `/store/format` | the version of this format, as text; `storage/version.rs` explains both versions |
//! | `/store/reader` | the oldest version whose builds read the store, as text; absent in version 1 |
//! | `/store/namespace` | the namespace of the collectors that share the store, as text; it may differ from the one in the key |
//! | `/store/log/<index>` | a batch: `index` counts from 1 and has 20 digits |
//! | `/store/snapshot/<index>` | a part: the rows of the entries after the preceding part, or else after the first entry, up to `index`, which has 20 digits |
//! | `/store/changed/<id>` | an instance whose generation or properties changed since it was assigned; 10 digits |
//! | `/store/seen/<chunk>` | when the 1024 instances with ids from 1024 x `chunk` on were last seen; 10 digits |
//!
//! A value is a checksum (CRC-32 as in zlib, little-endian) of key and message, and a protobuf message:
//!
//! | Message | Fields |
//! |---|---|
//! | batch | 1 to 4 `repeated` row of `application`, `instance`, `operation`, `address`; 5 to 8 `int64` the number of rows of each kind in the log up to here; 10 `bytes` the digest of the inventory up to here, little-endian (version 1 has field 9 instead, a digest that also covers properties) |
//! | part | 1 `int64` the first entry; 2 `bytes` the checksums of the entries; 3 a batch |
//! | row | 1 `sint32` id; 2 `bytes` as in [`embedded`](super::embedded) |
//! | changed | 1 row, as in the table `instance` there, whole |
//! | chunk | 1 `repeated` row, as in the table `seen` there |
//!
//! Changed instances and chunks are written after the rows of their batch. A changed instance is written only if the last log entry
//! is still the one that its writer applied. Chunks are written in transactions that compare their revisions; if two reports
//! concern one instance, the one with the later signal is kept.
//!
//! # Version 1
//!
//! Collectors of version 1 wrote every changed instance into the log, whole. A collector of this release that opens such a store
//! reads it and raises it to version 2. Collectors of version 1 that are still running continue: they read the log, in which an
//! instance has the properties that it registered with, and write to it as before. The snapshot is safe for them too: a collector
//! that is disconnected for more than a thousand entries finds entries missing, and stops. A collector of version 1 that starts is
//! refused.

mod changed;
mod chunks;
mod log;
mod namespace;
mod remote;
#[cfg(test)]
mod tests;
mod value;
mod version;
mod watcher;

use std::sync::Arc;

use rollcall_domain::inventory::{Instance, Row};
use rollcall_etcd::Client;
use rollcall_runtime::Clock;
use tokio::runtime::Handle;

use self::{
    changed::Changed,
    chunks::Chunks,
    log::{Extent, Log},
    remote::Remote,
    watcher::{Follower, News},
};
use super::{Batch, Commit, Counts, Error, Opened, Record, Storage};

/// The longest name that fits in a store in etcd, in bytes: its row, with the most properties that an instance may have, stays
/// below 1 MiB, and so do an entry of the log and a part of the snapshot. etcd accepts requests of 1.5 MiB by default.
pub const MAX_NAME_BYTES: usize = 512 * 1024;

/// An open store.
#[derive(Debug)]
pub struct Etcd {
    remote: Remote,
    extent: Extent,
    log: Log,
    changed: Changed,
    chunks: Chunks,
    news: Arc<News>,
    poisoned: bool,
}

/// Opens the store of `client`, or creates it, for the collectors of `namespace`. Blocks; the client's calls run on `runtime`,
/// and `clock` detects a stored time in the future.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::Refused`]; [`Error::UnsupportedVersion`]; [`Error::OtherNamespace`].
pub fn open(
    client: Client,
    clock: Clock,
    runtime: Handle,
    namespace: &str,
) -> Result<Opened, Error> {
    let store = Etcd::open(Remote { client, runtime }, clock, namespace)?;
    let watcher = store.follower();
    Ok(Opened {
        storage: Box::new(store),
        watcher: Some(Box::new(watcher)),
    })
}

impl Storage for Etcd {
    fn is_shared(&self) -> bool {
        true
    }

    fn counts(&mut self) -> Result<Counts, Error> {
        let seen = self.chunks.count(&self.remote)?;
        let counts = self.log.counts(&self.remote)?;
        Ok(Counts { seen, ..counts })
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.log = Log::new(&self.remote, self.extent);
        self.changed = Changed::new(&self.remote);
        self.changed
            .reserve(self.log.counts(&self.remote)?.instances);
        let before = self.remote.revision()?;
        self.read_log(sink)?;
        self.changed.read_all(&self.remote, before, sink)?;
        self.chunks.read_anew(&self.remote, sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        if self.poisoned {
            let path = self.remote.key("").into();
            return Err(Error::Poisoned { path });
        }
        let committed = self.write(batch);
        if committed.is_err() {
            // The batch may have been written. So the next `catch_up` must read from etcd, and not only apply the watched changes.
            self.news.mark_incomplete();
        }
        committed
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let changed = self.news.take();
        let caught_up = self.read(changed, sink);
        if let Err(error) = &caught_up {
            self.news.mark_incomplete();
            self.poisoned |= !error.is_transient();
        }
        caught_up
    }

    fn read_latest(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.catch_up(sink)?;
        let read = self.read_log(sink);
        if let Err(error) = &read {
            self.news.mark_incomplete();
            self.poisoned |= !error.is_transient();
        }
        read
    }
}

impl Etcd {
    fn open(remote: Remote, clock: Clock, namespace: &str) -> Result<Self, Error> {
        remote.claim_version()?;
        namespace::claim(&remote, namespace)?;
        let extent = Extent::default();
        Ok(Self {
            extent,
            log: Log::new(&remote, extent),
            changed: Changed::new(&remote),
            chunks: Chunks::new(remote.key("seen/"), clock),
            news: Arc::default(),
            poisoned: false,
            remote,
        })
    }

    fn follower(&self) -> Follower {
        Follower {
            client: self.remote.client.clone(),
            prefix: self.remote.key(""),
            log: self.remote.key("log/"),
            snapshot: self.remote.key("snapshot/"),
            chunks: self.remote.key("seen/"),
            instances: self.remote.key("changed/"),
            news: Arc::clone(&self.news),
        }
    }

    fn write(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let before = self.log.known();
        let (in_log, changed) = self.targets(batch.rows);
        if is_due(&batch, &in_log) {
            if self.log.append(&self.remote, &in_log, batch.digest)? == Commit::Conflict {
                return Ok(Commit::Conflict);
            }
            in_log
                .iter()
                .for_each(|row| self.changed.record_identity(row));
        }
        let is_unchanged = self.log.is_unchanged();
        let mut written = self
            .changed
            .write(&self.remote, &changed, is_unchanged.as_ref());
        if matches!(written, Ok(Commit::Durable)) {
            written = self.chunks.merge(&self.remote, batch.seen);
        }
        if !matches!(written, Ok(Commit::Durable)) {
            // The caller treats the whole batch as not durable, but its rows are durable. The next read emits them.
            self.log.forget_after(before);
            return written;
        }
        if let Err(error) = self.log.shorten(&self.remote) {
            tracing::warn!(%error, "the log of the store was not shortened, the next commit retries");
        }
        written
    }

    /// The rows to write to the log, and the instances whose changed state is to be written.
    fn targets<'a>(&self, rows: &'a [Row]) -> (Vec<&'a Row>, Vec<&'a Instance>) {
        let (mut in_log, mut changed) = (Vec::new(), Vec::new());
        for row in rows {
            let Row::Instance(instance) = row else {
                in_log.push(row);
                continue;
            };
            let targets = self.changed.targets(instance);
            in_log.extend(targets.log.then_some(row));
            changed.extend(targets.changed.then_some(instance));
        }
        (in_log, changed)
    }

    /// Emits the new rows of the log.
    fn read_log(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let (log, changed) = (&mut self.log, &mut self.changed);
        log.read(&self.remote, &mut |record| {
            record_identity(changed, &record);
            sink(record);
        })
    }

    fn read(&mut self, news: watcher::Changed, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let Some(news) = news else {
            self.remote.check_version()?;
            let before = self.remote.revision()?;
            self.read_log(sink)?;
            self.log.audit(&self.remote, sink)?;
            self.changed.read(&self.remote, before, sink)?;
            return self.chunks.read(&self.remote, sink);
        };
        let changed = &mut self.changed;
        let is_whole = self.log.apply(&news.log, &mut |record| {
            record_identity(changed, &record);
            sink(record);
        })?;
        if !is_whole {
            self.read_log(sink)?;
        }
        news.parts
            .iter()
            .for_each(|part| self.log.record_part(part));
        if news.removed || self.log.may_be_whole() {
            self.log.audit(&self.remote, sink)?;
        }
        self.changed.apply(&self.remote, &news.instances, sink)?;
        self.chunks.apply(&news.chunks, sink)
    }
}

/// Whether a batch needs an entry of the log: it has rows `in_log`, or a digest and no rows at all.
fn is_due(batch: &Batch<'_>, in_log: &[&Row]) -> bool {
    !in_log.is_empty() || batch.rows.is_empty() && batch.digest.is_some()
}

fn record_identity(changed: &mut Changed, record: &Record) {
    if let Record::Row(row) = record {
        changed.record_identity(row);
    }
}

/// The error for a key of hard state that cannot be read or trusted.
fn corrupt(key: String, what: impl ToString) -> Error {
    let what = what.to_string();
    Error::Unreadable { key, what }
}
