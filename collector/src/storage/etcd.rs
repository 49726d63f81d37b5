//! A store that several collectors share: a log in etcd.
//!
//! # What it promises
//!
//! * [`Etcd::commit`] returns [`Commit::Durable`] when a majority of the etcd cluster has the batch on disk.
//! * Entry n + 1 is written only by a collector that knows entries 1 to n. Each entry is a key of its own, and one
//!   transaction creates it: only if nobody has, and only on top of the very entry that the writer saw before. So all
//!   collectors read one sequence of batches, whoever wrote them, and whoever of them believed to be the owner; a collector
//!   that was paused or cut off writes nothing that is out of date.
//! * What is read is what was written: every entry and every chunk has a checksum.
//! * An etcd that was put back to an earlier state is noticed, and nothing is written to it by a collector that saw the later
//!   one: [`Error::Corrupt`]. One that starts then takes it as it is, and agents keep their ids (they are adopted).
//!
//! While no majority can be asked, every call answers [`Error::Unavailable`]; while this collector may not ask, [`Error::Refused`].
//!
//! # Why a log
//!
//! The inventory lives in memory, so rows are never looked up here: they are read all, in order, and then as they come.
//! A transaction of etcd has at most 128 operations and a request 1.5 MiB; one entry of a log is one operation for any
//! number of rows. What the log costs is that an instance that changes its properties is there twice.
//!
//! # Keys
//!
//! | Key, below `/rollcall` or `/<namespace>/rollcall` | Value |
//! |---|---|
//! | `/store/format` | the version of this format, as text; `storage/version.rs` says what both versions mean |
//! | `/store/reader` | the oldest version whose builds read the store, as text; absent in version 1 |
//! | `/store/namespace` | the namespace of the collectors that share the store, as text; it may differ from the one in the key |
//! | `/store/log/<index>` | a batch: `index` counts from 1 and has 20 digits |
//! | `/store/seen/<chunk>` | when the instances with ids from 1024 x `chunk` on were last heard of; 10 digits |
//!
//! A value is a checksum (CRC-32 as in zlib, little-endian) of key and message, and a protobuf message:
//!
//! | Message | Fields |
//! |---|---|
//! | batch | 1 to 4 `repeated` row of `application`, `instance`, `operation`, `address`; 5 to 8 `int64` how many rows of each kind the log has up to here; 9 `bytes` the digest of the inventory up to here, little-endian |
//! | row | 1 `sint32` id; 2 `bytes` as in [`embedded`](super::embedded) |
//! | chunk | 1 `repeated` row, as in the table `seen` there |
//!
//! Chunks are not part of the log: they say something about now, are replaced, and are written after the rows of their batch,
//! in transactions that compare their revisions. Of two things that are said of an instance the later signal counts.

mod chunks;
mod log;
mod namespace;
#[cfg(test)]
mod tests;
mod value;
mod version;
mod watcher;

use std::sync::Arc;

use rollcall_proto::etcd::{KeyValue, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use tokio::runtime::Handle;

use self::{
    chunks::Chunks,
    log::Log,
    watcher::{Changed, Changes, Follower, News},
};
use super::{Batch, Commit, Counts, Error, Opened, Record, Storage};
use crate::{
    clock::Clock,
    etcd::{self, Client, request::end_of},
};

/// An open store.
#[derive(Debug)]
pub struct Etcd {
    remote: Remote,
    log: Log,
    chunks: Chunks,
    news: Arc<News>,
    poisoned: bool,
}

/// Opens the store that `client` leads to, or creates it, for the collectors of `namespace`. Blocks; the client's calls run on
/// `runtime`, and `clock` detects a stored time that lies in the future.
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
        self.log = Log::new(self.remote.key("log/"));
        self.log.read(&self.remote, sink)?;
        self.chunks.read_anew(&self.remote, sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        if self.poisoned {
            let path = self.remote.key("").into();
            return Err(Error::Poisoned { path });
        }
        let committed = self.write(batch);
        if committed.is_err() {
            // It may have been written. To catch up has to ask, and not only to look at what was heard.
            self.news.lose();
        }
        committed
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let changed = self.news.take();
        let caught_up = self.read(changed, sink);
        if let Err(error) = &caught_up {
            self.news.lose();
            self.poisoned |= !error.is_transient();
        }
        caught_up
    }

    fn read_latest(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.catch_up(sink)?;
        let read = self.log.read(&self.remote, sink);
        if let Err(error) = &read {
            self.news.lose();
            self.poisoned |= !error.is_transient();
        }
        read
    }
}

impl Etcd {
    fn open(remote: Remote, clock: Clock, namespace: &str) -> Result<Self, Error> {
        remote.claim_version()?;
        namespace::claim(&remote, namespace)?;
        Ok(Self {
            log: Log::new(remote.key("log/")),
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
            chunks: self.remote.key("seen/"),
            news: Arc::clone(&self.news),
        }
    }

    fn write(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let before = self.log.known();
        if self.log.append(&self.remote, &batch)? == Commit::Behind {
            return Ok(Commit::Behind);
        }
        let merged = self.chunks.merge(&self.remote, batch.seen);
        if !matches!(merged, Ok(Commit::Durable)) {
            // Whoever asked takes none of the batch for durable, and its rows are.
            self.log.forget_after(before);
        }
        merged
    }

    fn read(&mut self, changed: Changed, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let Some(Changes { log, chunks }) = changed else {
            self.remote.check_version()?;
            self.log.read(&self.remote, sink)?;
            return self.chunks.read(&self.remote, sink);
        };
        if !self.log.take(&log, sink)? {
            self.log.read(&self.remote, sink)?;
        }
        self.chunks.take(&chunks, sink)
    }
}

/// Where the store is, and how it is asked.
#[derive(Debug)]
struct Remote {
    client: Client,
    runtime: Handle,
}

impl Remote {
    /// A key of the store.
    fn key(&self, name: &str) -> String {
        format!("{}/store/{name}", self.client.prefix())
    }

    /// Gives every key that begins with `prefix`, from `from` on, in order, in pages of `limit`.
    fn each(
        &self,
        prefix: &str,
        mut from: Vec<u8>,
        limit: i64,
        mut sink: impl FnMut(&KeyValue) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let page = self.range(RangeRequest {
                key: from,
                range_end: end_of(prefix),
                limit,
                ..RangeRequest::default()
            })?;
            page.kvs.iter().try_for_each(&mut sink)?;
            match page.kvs.into_iter().last() {
                Some(last) if page.more => {
                    from = last.key;
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    fn range(&self, range: RangeRequest) -> Result<RangeResponse, Error> {
        self.wait(self.client.range(range))
    }

    fn transaction(&self, transaction: TxnRequest) -> Result<TxnResponse, Error> {
        self.wait(self.client.transaction(transaction))
    }

    fn wait<R>(&self, call: impl Future<Output = Result<R, etcd::Error>>) -> Result<R, Error> {
        let answer = self.runtime.block_on(call);
        let store = || self.key("");
        answer.map_err(|error| match error {
            etcd::Error::Unavailable { .. } | etcd::Error::Failed { .. } => Error::Unavailable {
                store: store(),
                reason: error.to_string(),
            },
            etcd::Error::NoSpace { .. } => Error::NoSpace {
                store: store(),
                reason: error.to_string(),
            },
            etcd::Error::Refused { .. } => Error::Refused {
                store: store(),
                reason: error.to_string(),
            },
        })
    }
}

fn corrupt(key: String, what: impl ToString) -> Error {
    Error::Corrupt {
        path: key.into(),
        what: what.to_string(),
    }
}
