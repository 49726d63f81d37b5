//! Watches the store for changes, so that it need not poll.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    mem,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rollcall_etcd::proto::{Event, KeyValue, WatchCreateRequest, event::EventType};
use rollcall_etcd::{Client, Error, request::end_of};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Watcher;

/// The watched changes that the store has not taken yet. They are bounded: at most [`ENTRIES`] of the log, [`INSTANCES`] that
/// changed, and the last state of each chunk.
#[derive(Debug, Default)]
pub(super) struct News {
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// Entries of the log, in their order.
    log: Vec<KeyValue>,
    chunks: HashMap<Vec<u8>, KeyValue>,
    instances: HashMap<Vec<u8>, KeyValue>,
    /// Keys of the snapshot.
    parts: Vec<Vec<u8>>,
    /// Whether a key of the log or the snapshot was deleted although no part of the snapshot replaced it.
    removed: bool,
    /// Whether changes may be missing here.
    incomplete: bool,
}

/// The changes that the store applies; `None` if it must read everything.
pub(super) type Changed = Option<Changes>;

/// Watched changes.
pub(super) struct Changes {
    /// The new entries of the log.
    pub(super) log: Vec<KeyValue>,
    /// The chunks that changed.
    pub(super) chunks: Vec<KeyValue>,
    /// The instances that changed.
    pub(super) instances: Vec<KeyValue>,
    /// The keys of parts of the snapshot that were created.
    pub(super) parts: Vec<Vec<u8>>,
    /// Whether the keys of the log must be audited.
    pub(super) removed: bool,
}

/// The most log entries that are kept until the store takes them. Beyond this number, the store reads the log instead.
const ENTRIES: usize = 256;
/// The most changed instances that are kept in the same way.
const INSTANCES: usize = 4096;

impl News {
    /// Takes the changes since the last call.
    pub(super) fn take(&self) -> Changed {
        let pending = mem::take(&mut *self.pending.lock());
        (!pending.incomplete).then(|| Changes {
            log: pending.log,
            chunks: pending.chunks.into_values().collect(),
            instances: pending.instances.into_values().collect(),
            parts: pending.parts,
            removed: pending.removed,
        })
    }

    /// Records that changes may be missing, or that taken changes were not applied.
    pub(super) fn mark_incomplete(&self) {
        self.pending.lock().incomplete = true;
    }
}

/// Watches the changes of a store. A watch that ends is opened again. The store then reads everything, so that changes between the
/// two watches are applied even if etcd has compacted them.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) client: Client,
    /// The key prefix of the store.
    pub(super) prefix: String,
    /// The key prefix of the log.
    pub(super) log: String,
    /// The key prefix of the snapshot.
    pub(super) snapshot: String,
    /// The key prefix of the chunks.
    pub(super) chunks: String,
    /// The key prefix of changed instances.
    pub(super) instances: String,
    pub(super) news: Arc<News>,
}

/// The pause before a watch is opened again.
const PAUSE: Duration = Duration::from_millis(500);

impl Watcher for Follower {
    fn run(
        self: Box<Self>,
        wake: Box<dyn Fn() + Send + Sync>,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let follow = async {
                loop {
                    let Err(error) = self.follow(&*wake).await;
                    tracing::debug!(%error, "the watch of the store ended");
                    // Read everything before the next write to etcd: it may have been rolled back meanwhile.
                    self.news.mark_incomplete();
                    wake();
                    sleep(PAUSE).await;
                }
            };
            stop.run_until_cancelled(follow).await;
        })
    }
}

impl Follower {
    async fn follow(&self, wake: &(dyn Fn() + Send + Sync)) -> Result<Infallible, Error> {
        let everything = WatchCreateRequest {
            key: self.prefix.clone().into_bytes(),
            range_end: end_of(&*self.prefix),
            ..WatchCreateRequest::default()
        };
        let mut watch = self.client.watch(everything).await?;
        self.news.mark_incomplete();
        wake();
        loop {
            let response = watch.next().await?;
            self.record_deletions(&response.events);
            let puts = response
                .events
                .into_iter()
                .filter(|event| event.r#type() == EventType::Put);
            let pairs = puts.filter_map(|event| event.kv);
            pairs.for_each(|pair| self.record(pair));
            wake();
        }
    }

    /// Records deletions that are damage: entries of the log may only be deleted by the transaction that creates a part of the
    /// snapshot.
    fn record_deletions(&self, events: &[Event]) {
        let of = |kind: EventType| {
            let events = events.iter().filter(move |event| event.r#type() == kind);
            events.filter_map(|event| event.kv.as_ref())
        };
        let is_in = |pair: &KeyValue, prefix: &str| pair.key.starts_with(prefix.as_bytes());
        let replaced: HashSet<i64> = of(EventType::Put)
            .filter(|pair| is_in(pair, &self.snapshot))
            .map(|part| part.mod_revision)
            .collect();
        let mut deleted = of(EventType::Delete);
        let has_vanished = deleted.any(|pair| {
            let is_in_log = is_in(pair, &self.log) && !replaced.contains(&pair.mod_revision);
            is_in_log || is_in(pair, &self.snapshot)
        });
        self.news.pending.lock().removed |= has_vanished;
    }

    fn record(&self, pair: KeyValue) {
        let mut pending = self.news.pending.lock();
        if pair.key.starts_with(self.log.as_bytes()) {
            if pending.log.len() < ENTRIES {
                pending.log.push(pair);
            } else {
                pending.incomplete = true;
            }
        } else if pair.key.starts_with(self.snapshot.as_bytes()) {
            // A part is created once, and never changes.
            pending.removed |= pair.version > 1;
            pending.parts.push(pair.key);
        } else if pair.key.starts_with(self.instances.as_bytes()) {
            if pending.instances.len() < INSTANCES {
                pending.instances.insert(pair.key.clone(), pair);
            } else {
                pending.incomplete = true;
            }
        } else if pair.key.starts_with(self.chunks.as_bytes()) {
            pending.chunks.insert(pair.key.clone(), pair);
        } else {
            // The key is the version of the format or of its readers, or one that a later release writes.
            pending.incomplete = true;
        }
    }
}
