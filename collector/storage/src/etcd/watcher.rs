//! Tells the store that there is something new, so that it need not look.

use std::{
    collections::{HashMap, HashSet},
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

/// What has happened since the store last looked. Bounded: [`ENTRIES`] of the log, [`INSTANCES`] that changed, and what each
/// chunk is now.
#[derive(Debug, Default)]
pub(super) struct News {
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    /// Entries of the log, in their order.
    log: Vec<KeyValue>,
    chunks: HashMap<Vec<u8>, KeyValue>,
    instances: HashMap<Vec<u8>, KeyValue>,
    /// Keys of the snapshot.
    parts: Vec<Vec<u8>>,
    /// A key of the log or the snapshot has been deleted, and no part of the snapshot took its place.
    removed: bool,
    /// Something may have happened that was not heard of.
    lost: bool,
}

/// What the store has to look at; `None` for all there is.
pub(super) type Changed = Option<Changes>;

/// What has changed.
pub(super) struct Changes {
    /// The entries of the log that came.
    pub(super) log: Vec<KeyValue>,
    /// The chunks that changed.
    pub(super) chunks: Vec<KeyValue>,
    /// The instances that changed.
    pub(super) instances: Vec<KeyValue>,
    /// The keys of parts of the snapshot that were created.
    pub(super) parts: Vec<Vec<u8>>,
    /// Whether the keys of the log have to be looked at.
    pub(super) removed: bool,
}

/// Entries that are kept for a store that does not come to look. It reads them itself if there are more.
const ENTRIES: usize = 256;
/// Instances that are kept likewise.
const INSTANCES: usize = 4096;

impl News {
    /// What has happened since this was last asked.
    pub(super) fn take(&self) -> Changed {
        let heard = mem::take(&mut *self.heard.lock());
        (!heard.lost).then(|| Changes {
            log: heard.log,
            chunks: heard.chunks.into_values().collect(),
            instances: heard.instances.into_values().collect(),
            parts: heard.parts,
            removed: heard.removed,
        })
    }

    /// Says that something may have happened that was not heard of, or that what was taken was not used.
    pub(super) fn lose(&self) {
        self.heard.lock().lost = true;
    }
}

/// Follows the changes of a store. A watch that ends is begun again, and what happened between the two is caught up on, also
/// if etcd has forgotten how it came about.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) client: Client,
    /// What the keys of the store begin with.
    pub(super) prefix: String,
    /// What those of the log begin with.
    pub(super) log: String,
    /// What those of the snapshot begin with.
    pub(super) snapshot: String,
    /// What those of the chunks begin with.
    pub(super) chunks: String,
    /// What those of changed instances begin with.
    pub(super) instances: String,
    pub(super) news: Arc<News>,
}

/// Between two attempts to follow.
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
                    match self.follow(&*wake).await {
                        Ok(()) => tracing::debug!("etcd ended the watch of the store"),
                        Err(error) => tracing::debug!(%error, "the watch of the store ended"),
                    }
                    // Before etcd is written to again: it may have been rolled back meanwhile.
                    self.news.lose();
                    wake();
                    sleep(PAUSE).await;
                }
            };
            stop.run_until_cancelled(follow).await;
        })
    }
}

impl Follower {
    async fn follow(&self, wake: &(dyn Fn() + Send + Sync)) -> Result<(), Error> {
        let everything = WatchCreateRequest {
            key: self.prefix.clone().into_bytes(),
            range_end: end_of(&*self.prefix),
            ..WatchCreateRequest::default()
        };
        let mut watch = self.client.watch(everything).await?;
        self.news.lose();
        wake();
        loop {
            let response = watch.next().await?;
            if response.canceled {
                return Ok(());
            }
            self.hear_of_deletions(&response.events);
            let puts = response
                .events
                .into_iter()
                .filter(|event| event.r#type() == EventType::Put);
            let pairs = puts.filter_map(|event| event.kv);
            pairs.for_each(|pair| self.hear(pair));
            wake();
        }
    }

    /// Entries of the log are deleted in the transaction that creates a part of the snapshot, and by nothing else.
    fn hear_of_deletions(&self, events: &[Event]) {
        let of = |wanted: EventType| {
            let events = events.iter().filter(move |event| event.r#type() == wanted);
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
        self.news.heard.lock().removed |= has_vanished;
    }

    fn hear(&self, pair: KeyValue) {
        let mut heard = self.news.heard.lock();
        if pair.key.starts_with(self.log.as_bytes()) {
            if heard.log.len() < ENTRIES {
                heard.log.push(pair);
            } else {
                heard.lost = true;
            }
        } else if pair.key.starts_with(self.snapshot.as_bytes()) {
            // A part is created once, and never changes.
            heard.removed |= pair.version > 1;
            heard.parts.push(pair.key);
        } else if pair.key.starts_with(self.instances.as_bytes()) {
            if heard.instances.len() < INSTANCES {
                heard.instances.insert(pair.key.clone(), pair);
            } else {
                heard.lost = true;
            }
        } else if pair.key.starts_with(self.chunks.as_bytes()) {
            heard.chunks.insert(pair.key.clone(), pair);
        } else {
            // A version, or a key of a later release.
            heard.lost = true;
        }
    }
}
