//! A store that several processes share: one key in etcd for each row.
//!
//! A process reads all rows at its start, and afterwards the changes of other processes ([`Store::catch_up`]). It can write a row
//! only if it has read the row's last change (otherwise [`Error::Conflict`]), so no process overwrites a change that it has not
//! seen. A commit of up to `CHANGES` changes and `BYTES` bytes is one transaction. A larger commit is several transactions, and
//! after a failure only the first ones may have been written.
//!
//! | Key, below the client's prefix | Value |
//! |---|---|
//! | `/<name>/format` | the version of the format, as text |
//! | `/<name>/reader` | the oldest version whose builds read the rows, as text |
//! | `/<name>/rows/<table>/<key>` | the value of a row, as the user encoded it |
//!
//! Rows of a table that this build does not know are kept and ignored. While etcd has no majority every call fails, and nothing
//! is lost.

mod known;
mod published;
mod remote;
mod version;

use std::{collections::BTreeMap, fmt, marker::PhantomData, time::Duration};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rollcall_etcd::{
    Client, Watch,
    proto::{
        KeyValue, RangeRequest, TxnRequest, WatchCreateRequest,
        compare::{CompareTarget, TargetUnion},
    },
    request::{delete, end_of, equal, put},
};
use tokio::{runtime::Handle, sync::Mutex as AsyncMutex, time::sleep};

use self::known::KnownRows;
pub use self::published::Published;
pub(super) use self::remote::Remote;
use super::{Change, Error, Row, Store, Table};

/// Changes in one transaction; etcd accepts 128 operations.
const CHANGES: usize = 100;
/// Bytes of values in one transaction, unless one value alone is larger; etcd accepts 1.5 MiB.
const BYTES: usize = 1024 * 1024;
/// Keys in one page of a list.
const PAGE: i64 = 1024;
/// The pause before a watch that ended is opened again.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// An open store. Its calls run on a runtime, and block.
pub struct Etcd<T> {
    remote: Remote,
    /// The prefix of all rows; ends in a slash.
    prefix: String,
    /// Locked for a whole call of [`Store`], so that only one call at a time changes `known`.
    calls: Mutex<()>,
    /// Never locked during a call to etcd, so that [`Store::changed`] does not block a thread of the runtime.
    known: Mutex<KnownRows>,
    watch: AsyncMutex<Option<Watch>>,
    tables: PhantomData<T>,
}

/// The keys as of one revision of etcd.
struct Listed {
    pairs: Vec<KeyValue>,
    revision: i64,
    /// The number of keys in the whole range.
    count: usize,
}

/// The operations of one transaction: the last change of each key.
type Part<'a> = BTreeMap<Vec<u8>, Option<&'a [u8]>>;

impl<T: Table> Etcd<T> {
    /// Opens the store `name` of `client`, or creates it. Blocks; later calls run on `runtime`.
    ///
    /// # Errors
    /// etcd is unavailable or refuses the calls, or a later release wrote the store.
    pub fn open(client: Client, runtime: Handle, name: &str) -> Result<Self, Error> {
        let remote = Remote { client, runtime };
        let base = format!("{}/{name}", remote.client.prefix());
        version::claim(&remote, &base, T::FORMAT)?;
        Ok(Self::at(&base, remote))
    }

    /// A store whose format is as this build writes it.
    pub(super) fn at(base: &str, remote: Remote) -> Self {
        Self {
            remote,
            prefix: format!("{base}/rows/"),
            calls: Mutex::default(),
            known: Mutex::default(),
            watch: AsyncMutex::new(None),
            tables: PhantomData,
        }
    }

    fn key(&self, table: T, key: &str) -> Vec<u8> {
        format!("{}{}/{key}", self.prefix, table.name()).into_bytes()
    }

    /// The table and the key of a row; `None` if this build does not know them.
    fn place(&self, key: &[u8]) -> Option<(T, String)> {
        let text = str::from_utf8(key).ok()?.strip_prefix(&*self.prefix)?;
        let (name, key) = text.split_once('/')?;
        let table = T::ALL.iter().find(|table| table.name() == name)?;
        Some((*table, key.to_owned()))
    }

    fn row(&self, pair: &KeyValue) -> Option<Row<T>> {
        let (table, key) = self.place(&pair.key)?;
        let value = pair.value.to_vec();
        Some(Row { table, key, value })
    }

    /// Lists the rows that changed after `revision`, all as of one revision of etcd.
    fn list(&self, after: i64, keys_only: bool) -> Result<Listed, Error> {
        let mut listed = Listed {
            pairs: Vec::new(),
            revision: 0,
            count: 0,
        };
        let mut from = self.prefix.clone().into_bytes();
        loop {
            let page = self.remote.range(RangeRequest {
                key: from,
                range_end: end_of(&*self.prefix),
                limit: PAGE,
                revision: listed.revision,
                min_mod_revision: after.saturating_add(1),
                keys_only,
                ..RangeRequest::default()
            })?;
            if listed.revision == 0 {
                listed.revision = page.header.map_or(0, |header| header.revision);
                listed.count = usize::try_from(page.count).unwrap_or(usize::MAX);
            }
            let more = page.more;
            listed.pairs.extend(page.kvs);
            match listed.pairs.last() {
                Some(last) if more => {
                    from = last.key.clone();
                    from.push(0);
                }
                _ => return Ok(listed),
            }
        }
    }

    /// The changes since the known revision. If the number of keys shows that rows were removed, a list of all keys finds them.
    fn news(&self) -> Result<Vec<Change<T>>, Error> {
        let revision = self.known.lock().revision;
        let mut listed = self.list(revision, false)?;
        if listed.revision < revision {
            tracing::warn!(
                store = self.prefix,
                "etcd was rolled back to an earlier state, its rows are read again"
            );
            listed = self.list(0, false)?;
        }
        let expected = self.known.lock().len_with(&listed.pairs);
        let present = (listed.count != expected).then(|| self.list(0, true));
        let present = present.transpose()?;
        let mut known = self.known.lock();
        let removed = match present {
            Some(present) => known.retain(&present.pairs),
            None => Vec::new(),
        };
        let removed = removed.iter().filter_map(|key| self.place(key));
        let removed = removed.map(|(table, key)| Change::Remove { table, key });
        known.revision = listed.revision;
        let put = listed.pairs.iter().filter(|pair| known.record(pair));
        let put = put.filter_map(|pair| self.row(pair)).map(Change::Put);
        Ok(removed.chain(put).collect())
    }

    /// Divides changes into transactions. Leaves out removals of rows that do not exist.
    fn parts<'a>(&self, changes: &'a [Change<T>]) -> Vec<Part<'a>> {
        let mut all = Part::new();
        for change in changes {
            let value = match change {
                Change::Put(row) => Some(&*row.value),
                Change::Remove { .. } => None,
            };
            all.insert(self.key(change.table(), change.key()), value);
        }
        let known = self.known.lock();
        all.retain(|key, value| value.is_some() || known.revision_of(key) > 0);
        drop(known);
        let mut parts = vec![Part::new()];
        let mut bytes = 0;
        for (key, value) in all {
            let size = value.map_or(0, <[u8]>::len);
            let is_full = |part: &Part<'_>| part.len() == CHANGES || bytes + size > BYTES;
            if parts
                .last()
                .is_some_and(|part| !part.is_empty() && is_full(part))
            {
                parts.push(Part::new());
                bytes = 0;
            }
            bytes += size;
            if let Some(part) = parts.last_mut() {
                part.insert(key, value);
            }
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// Executes one transaction, and returns its revision.
    fn write(&self, part: &Part<'_>) -> Result<i64, Error> {
        let known = self.known.lock();
        let is_unchanged = |key: &Vec<u8>| {
            let revision = TargetUnion::ModRevision(known.revision_of(key));
            equal(key.clone(), CompareTarget::Mod, revision)
        };
        let operation = |(key, value): (&Vec<u8>, &Option<&[u8]>)| match value {
            Some(value) => put(key.clone(), value.to_vec()),
            None => delete(key.clone()),
        };
        let compare = part.keys().map(is_unchanged).collect();
        drop(known);
        let written = self.remote.transaction(TxnRequest {
            compare,
            success: part.iter().map(operation).collect(),
            failure: Vec::new(),
        })?;
        if written.succeeded {
            Ok(written.header.map_or(0, |header| header.revision))
        } else {
            Err(Error::Conflict)
        }
    }

    /// Opens the watch, or waits for its next change.
    async fn watched(&self) -> Result<bool, rollcall_etcd::Error> {
        let mut slot = self.watch.lock().await;
        let Some(watch) = &mut *slot else {
            let rows = WatchCreateRequest {
                key: self.prefix.clone().into_bytes(),
                range_end: end_of(&*self.prefix),
                ..WatchCreateRequest::default()
            };
            *slot = Some(self.remote.client.watch(rows).await?);
            // Rows may have changed before the watch was opened.
            return Ok(true);
        };
        let response = watch.next().await;
        if response.is_err() {
            *slot = None;
        }
        let events = response?.events;
        let known = self.known.lock();
        Ok(events.iter().any(|event| known.is_news(event)))
    }
}

impl<T: Table> Store<T> for Etcd<T> {
    fn is_shared(&self) -> bool {
        true
    }

    fn load(&self) -> Result<Vec<Row<T>>, Error> {
        let _one = self.calls.lock();
        let listed = self.list(0, false)?;
        let mut known = self.known.lock();
        *known = KnownRows::default();
        known.revision = listed.revision;
        for pair in &listed.pairs {
            known.record(pair);
        }
        let rows = listed.pairs.iter().filter_map(|pair| self.row(pair));
        Ok(rows.collect())
    }

    fn get(&self, table: T, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.remote.range(RangeRequest {
            key: self.key(table, key),
            ..RangeRequest::default()
        })?;
        let value = found.kvs.first().map(|pair| pair.value.to_vec());
        Ok(value)
    }

    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error> {
        let _one = self.calls.lock();
        let parts = self.parts(changes);
        let mut revisions = Vec::new();
        for part in &parts {
            revisions.push(self.write(part)?);
        }
        let mut known = self.known.lock();
        // Recorded only after all parts are written: after a failure, `catch_up` must return the changes of the parts that were
        // written.
        for (part, revision) in parts.iter().zip(revisions) {
            for (key, value) in part {
                known.set(key, value.map(|_| revision));
            }
        }
        Ok(())
    }

    fn catch_up(&self) -> Result<Vec<Change<T>>, Error> {
        let _one = self.calls.lock();
        self.news()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            loop {
                match self.watched().await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(%error, store = self.prefix, "the watch of the store ended");
                        sleep(PAUSE).await;
                    }
                }
            }
        })
    }
}

impl<T> fmt::Debug for Etcd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
