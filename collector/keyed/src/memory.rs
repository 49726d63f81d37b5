//! A store and a journal that end with the process, for tests and for soft state without a local disk.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    Change, Error, Row, Store, Table,
    journal::{self, Completeness, Journal},
};

mod board;

pub use board::Board;

/// The lines of the journal.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// The bytes that are synced.
    synced: usize,
    completeness: Completeness,
    is_full: bool,
}

type Rows<T> = BTreeMap<(T, String), Vec<u8>>;

/// Rows and lines in memory. Clones share the contents, so a test can open the store again.
#[derive(Clone, Debug)]
pub struct Memory<T> {
    rows: Arc<Mutex<Rows<T>>>,
    journal: Arc<Mutex<Lines>>,
    fails: Arc<Mutex<Option<String>>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            journal: Arc::default(),
            fails: Arc::default(),
        }
    }
}

impl<T> Memory<T> {
    /// Makes every later commit and every sync of the journal fail with this text. `None` lets them succeed again.
    pub fn fail(&self, text: Option<&str>) {
        *self.fails.lock() = text.map(str::to_owned);
    }

    /// Whether every later append to the journal fails, as on a full disk.
    pub fn fill(&self, is_full: bool) {
        self.journal.lock().is_full = is_full;
    }

    /// Removes the lines of the journal that are not synced, as a crash of the machine may do.
    pub fn lose_unsynced(&self) {
        let mut lines = self.journal.lock();
        let synced = lines.synced;
        lines.bytes.truncate(synced);
    }

    fn failing(&self) -> Result<(), Error> {
        match &*self.fails.lock() {
            Some(text) => Err(Error::Io(text.clone())),
            None => Ok(()),
        }
    }
}

impl<T: Table> Store<T> for Memory<T> {
    fn load(&self) -> Result<Vec<Row<T>>, Error> {
        let rows = self.rows.lock();
        let row = |((table, key), value): (&(T, String), &Vec<u8>)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        Ok(rows.iter().map(row).collect())
    }

    fn get(&self, table: T, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.rows.lock();
        Ok(rows.get(&(table, key.to_owned())).cloned())
    }

    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error> {
        self.failing()?;
        let mut rows = self.rows.lock();
        for change in changes {
            match change {
                Change::Put(row) => {
                    rows.insert((row.table, row.key.clone()), row.value.clone());
                }
                Change::Remove { table, key } => {
                    rows.remove(&(*table, key.clone()));
                }
            }
        }
        Ok(())
    }
}

impl<T: Table> Journal for Memory<T> {
    fn append(&self, lines: &[u8]) -> Result<(), Error> {
        let mut journal = self.journal.lock();
        if journal.is_full {
            return Err(Error::Io("the journal has no room".to_owned()));
        }
        journal.bytes.extend_from_slice(lines);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        self.failing()?;
        let mut lines = self.journal.lock();
        lines.synced = lines.bytes.len();
        Ok(())
    }

    fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut lines = self.journal.lock();
        let complete = journal::complete(&lines.bytes);
        lines.bytes.truncate(complete);
        lines.synced = lines.synced.min(complete);
        Ok(lines.bytes.clone())
    }

    fn trim(&self, bytes: usize) -> Result<(), Error> {
        let mut lines = self.journal.lock();
        let bytes = bytes.min(lines.bytes.len());
        lines.bytes.drain(..bytes);
        lines.synced = lines.synced.saturating_sub(bytes);
        Ok(())
    }

    fn mark(&self, completeness: Completeness) -> Result<(), Error> {
        self.journal.lock().completeness = completeness;
        Ok(())
    }

    fn completeness(&self) -> Completeness {
        self.journal.lock().completeness
    }
}
