//! An exchange in memory, for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Error,
    exchange::{Change, Entry, Exchange, News},
};

/// The entries of all processes, and the handle of one of them.
#[derive(Clone, Debug)]
pub struct Board {
    own: String,
    all: Arc<Mutex<All>>,
    /// Incremented by every change.
    changes: watch::Sender<u64>,
    /// The number of changes that this process has read; `None`: it reads all entries next.
    read: Arc<Mutex<Option<usize>>>,
}

#[derive(Debug, Default)]
struct All {
    entries: BTreeMap<(String, String), Vec<u8>>,
    log: Vec<Entry>,
    /// The processes that cannot reach the board.
    cut_off: BTreeSet<String>,
    /// The processes that can only read.
    read_only: BTreeSet<String>,
    is_full: bool,
    /// The writes of each process.
    writes: BTreeMap<String, usize>,
}

impl Board {
    /// An empty board, and the handle of the process `own`.
    #[must_use]
    pub fn new(own: &str) -> Self {
        Self {
            own: own.to_owned(),
            all: Arc::default(),
            changes: watch::Sender::new(0),
            read: Arc::default(),
        }
    }

    /// The handle of another process, or of a new run of this one.
    #[must_use]
    pub fn of(&self, own: &str) -> Self {
        Self {
            own: own.to_owned(),
            read: Arc::default(),
            ..self.clone()
        }
    }

    /// Cuts a process off, or lets it reach the board again.
    pub fn cut(&self, member: &str, is_cut: bool) {
        let mut all = self.all.lock();
        if is_cut {
            all.cut_off.insert(member.to_owned());
        } else {
            all.cut_off.remove(member);
        }
        drop(all);
        self.notify();
    }

    /// Refuses the writes of a process, which still reads, or accepts them again.
    pub fn refuse_writes(&self, member: &str, are_refused: bool) {
        let mut all = self.all.lock();
        if are_refused {
            all.read_only.insert(member.to_owned());
        } else {
            all.read_only.remove(member);
        }
    }

    /// Refuses all writes except removals, or accepts them again.
    pub fn fill(&self, is_full: bool) {
        self.all.lock().is_full = is_full;
    }

    /// The calls of [`Exchange::publish`] that this process made successfully.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.all.lock().writes.get(&self.own).copied().unwrap_or(0)
    }

    /// The keys of the entries of a process.
    #[must_use]
    pub fn keys(&self, member: &str) -> Vec<String> {
        let all = self.all.lock();
        let keys = all.entries.keys().filter(|(name, _)| name == member);
        keys.map(|(_, key)| key.clone()).collect()
    }

    /// Writes an entry as another process does.
    pub fn write(&self, member: &str, key: &str, value: Option<&[u8]>) {
        self.all.lock().set(member, key, value.map(<[u8]>::to_vec));
        self.notify();
    }

    fn notify(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn check_reachable(&self) -> Result<(), Error> {
        if self.all.lock().cut_off.contains(&self.own) {
            return Err(Error::Io("the board cannot be reached".to_owned()));
        }
        Ok(())
    }

    fn news(&self) -> Option<News> {
        let all = self.all.lock();
        let mut read = self.read.lock();
        let before = read.replace(all.log.len());
        let Some(before) = before else {
            let entry = |((member, key), value): (&(String, String), &Vec<u8>)| Entry {
                member: member.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            };
            return Some(News::All(all.entries.iter().map(entry).collect()));
        };
        let changes: Vec<_> = all.log.iter().skip(before).cloned().collect();
        (!changes.is_empty()).then_some(News::Changes(changes))
    }
}

impl All {
    fn set(&mut self, member: &str, key: &str, value: Option<Vec<u8>>) {
        let place = (member.to_owned(), key.to_owned());
        match &value {
            Some(value) => drop(self.entries.insert(place, value.clone())),
            None => drop(self.entries.remove(&place)),
        }
        self.log.push(Entry {
            member: member.to_owned(),
            key: key.to_owned(),
            value,
        });
    }
}

impl Exchange for Board {
    fn publish<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.check_reachable()?;
            let mut all = self.all.lock();
            if all.read_only.contains(&self.own) {
                return Err(Error::Io("the board accepts no writes".to_owned()));
            }
            if all.is_full && changes.iter().any(|(_, value)| value.is_some()) {
                return Err(Error::NoSpace("the board is full".to_owned()));
            }
            *all.writes.entry(self.own.clone()).or_default() += 1;
            for (key, value) in changes {
                all.set(&self.own, key, value.clone());
            }
            drop(all);
            self.notify();
            Ok(())
        })
    }

    fn remove<'a>(&'a self, member: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.check_reachable()?;
            for key in self.keys(member) {
                self.write(member, &key, None);
            }
            Ok(())
        })
    }

    fn next(&self) -> BoxFuture<'_, Result<News, Error>> {
        let mut changes = self.changes.subscribe();
        Box::pin(async move {
            loop {
                changes.mark_unchanged();
                if let Err(error) = self.check_reachable() {
                    *self.read.lock() = None;
                    return Err(error);
                }
                if let Some(news) = self.news() {
                    return Ok(news);
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }

    fn restart(&self) {
        *self.read.lock() = None;
        self.notify();
    }
}
