//! An exchange in etcd: one key for each entry, `<prefix>/<name>/published/<member>/<key>`, and one watch of all.
//!
//! The keys have no lease, so that the load on etcd does not grow with the number of entries. The user removes the entries of a
//! process that has left.

use std::fmt;

use futures_util::future::BoxFuture;
use rollcall_etcd::{
    Client, Watch,
    proto::{
        Event, KeyValue, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest, event::EventType,
    },
    request::{delete, delete_range, end_of, put},
};
use tokio::sync::{Mutex, Notify};

use super::PAGE;
use crate::{
    Error,
    exchange::{Change, Entry, Exchange, MOST_BYTES, MOST_CHANGES, News},
};

/// The entries of this process and of the others.
pub struct Published {
    client: Client,
    /// The prefix of all entries; ends in a slash.
    prefix: String,
    own: String,
    watch: Mutex<Option<Watch>>,
    /// Notified when all entries have to be read again.
    restarted: Notify,
}

impl Published {
    /// The exchange beside the store `name`, for the process `own`, whose name has no slash.
    #[must_use]
    pub fn new(client: Client, name: &str, own: &str) -> Self {
        Self {
            prefix: format!("{}/{name}/published/", client.prefix()),
            own: own.to_owned(),
            client,
            watch: Mutex::new(None),
            restarted: Notify::new(),
        }
    }

    fn key(&self, member: &str, key: &str) -> Vec<u8> {
        format!("{}{member}/{key}", self.prefix).into_bytes()
    }

    fn entry(&self, key: &[u8], value: Option<Vec<u8>>) -> Option<Entry> {
        let text = str::from_utf8(key).ok()?.strip_prefix(&*self.prefix)?;
        let (member, key) = text.split_once('/')?;
        Some(Entry {
            member: member.to_owned(),
            key: key.to_owned(),
            value,
        })
    }

    /// Reads all entries as of one revision of etcd, and opens a watch of the changes after it.
    async fn read(&self) -> Result<(Vec<Entry>, Watch), rollcall_etcd::Error> {
        let mut entries = Vec::new();
        let mut revision = 0;
        let mut from = self.prefix.clone().into_bytes();
        loop {
            let page = self
                .client
                .range(RangeRequest {
                    key: from,
                    range_end: end_of(&*self.prefix),
                    limit: PAGE,
                    revision,
                    ..RangeRequest::default()
                })
                .await?;
            if revision == 0 {
                revision = page.header.map_or(0, |header| header.revision);
            }
            let last = page.kvs.last().map(|pair| pair.key.clone());
            let pairs = page.kvs.into_iter();
            entries.extend(
                pairs.filter_map(|KeyValue { key, value, .. }| {
                    self.entry(&key, Some(value.to_vec()))
                }),
            );
            match last {
                Some(last) if page.more => {
                    from = last;
                    from.push(0);
                }
                _ => break,
            }
        }
        let watch = WatchCreateRequest {
            key: self.prefix.clone().into_bytes(),
            range_end: end_of(&*self.prefix),
            start_revision: revision + 1,
            ..WatchCreateRequest::default()
        };
        Ok((entries, self.client.watch(watch).await?))
    }

    async fn news(&self) -> Result<News, Error> {
        let mut slot = self.watch.lock().await;
        loop {
            let Some(watch) = &mut *slot else {
                let (entries, watch) = self.read().await.map_err(failed)?;
                *slot = Some(watch);
                return Ok(News::All(entries));
            };
            let response = tokio::select! {
                biased;
                () = self.restarted.notified() => {
                    *slot = None;
                    continue;
                }
                response = watch.next() => response,
            };
            let events = match response {
                Ok(response) => response.events,
                Err(error) => {
                    tracing::debug!(%error, entries = self.prefix, "the watch of the entries ended");
                    *slot = None;
                    return Ok(News::Interrupted);
                }
            };
            if !events.is_empty() {
                let changes = events.into_iter().filter_map(|event| self.change(event));
                return Ok(News::Changes(changes.collect()));
            }
        }
    }

    fn change(&self, event: Event) -> Option<Entry> {
        let kind = event.r#type();
        let KeyValue { key, value, .. } = event.kv?;
        self.entry(&key, (kind == EventType::Put).then(|| value.to_vec()))
    }

    async fn write(&self, operations: Vec<RequestOp>) -> Result<(), Error> {
        let transaction = TxnRequest {
            success: operations,
            ..TxnRequest::default()
        };
        let written = self.client.transaction(transaction).await;
        written.map(drop).map_err(failed)
    }
}

impl Exchange for Published {
    fn publish<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut operations = Vec::new();
            let mut bytes = 0;
            for (key, value) in changes {
                let key = self.key(&self.own, key);
                let size = key.len() + value.as_ref().map_or(0, Vec::len);
                if operations.len() == MOST_CHANGES
                    || (bytes + size > MOST_BYTES && !operations.is_empty())
                {
                    self.write(std::mem::take(&mut operations)).await?;
                    bytes = 0;
                }
                bytes += size;
                operations.push(match value {
                    Some(value) => put(key, value.clone()),
                    None => delete(key),
                });
            }
            if operations.is_empty() {
                return Ok(());
            }
            self.write(operations).await
        })
    }

    fn remove<'a>(&'a self, member: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let all = self.key(member, "");
            let end = end_of(&*all);
            self.write(vec![delete_range(all, end)]).await
        })
    }

    fn next(&self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(self.news())
    }

    fn restart(&self) {
        self.restarted.notify_one();
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn failed(error: rollcall_etcd::Error) -> Error {
    let text = error.to_string();
    match error {
        rollcall_etcd::Error::NoSpace { .. } => Error::NoSpace(text),
        _ => Error::Io(text),
    }
}
