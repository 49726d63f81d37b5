//! A store and a journal that end with the process: for tests, and for soft state where no local disk is configured.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    Change, Error, Row, Store, Table,
    journal::{self, Journal},
};

type Rows<T> = BTreeMap<(T, String), Vec<u8>>;

/// Rows and lines in memory. Clones share the contents, so a test can open the store again.
#[derive(Clone, Debug)]
pub struct Memory<T> {
    rows: Arc<Mutex<Rows<T>>>,
    journal: Arc<Mutex<Vec<u8>>>,
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
    /// Makes every later commit fail with this text; `None` ends that.
    pub fn fail(&self, text: Option<&str>) {
        *self.fails.lock() = text.map(str::to_owned);
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

    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error> {
        if let Some(text) = &*self.fails.lock() {
            return Err(Error::Io(text.clone()));
        }
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
        self.journal.lock().extend_from_slice(lines);
        Ok(())
    }

    fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut lines = self.journal.lock();
        let complete = journal::complete(&lines);
        lines.truncate(complete);
        Ok(lines.clone())
    }

    fn trim(&self, bytes: usize) -> Result<(), Error> {
        let mut journal = self.journal.lock();
        let bytes = bytes.min(journal.len());
        journal.drain(..bytes);
        Ok(())
    }
}
