//! A store that ends with the process, for tests.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{Change, Error, Row, Store, Table};

type Rows = BTreeMap<(Table, String), Vec<u8>>;

/// Rows in memory. A clone is the same store, so that a test can start a second catalog on the data of the first.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    rows: Arc<Mutex<Rows>>,
    journal: Arc<Mutex<Vec<u8>>>,
    fails: Arc<Mutex<Option<String>>>,
}

impl Memory {
    /// Makes every later commit fail with this text; with `None` they succeed again.
    pub fn fail(&self, text: Option<&str>) {
        *self.fails.lock() = text.map(str::to_owned);
    }
}

impl Store for Memory {
    fn load(&self) -> Result<Vec<Row>, Error> {
        let rows = self.rows.lock();
        let row = |((table, key), value): (&(Table, String), &Vec<u8>)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        Ok(rows.iter().map(row).collect())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
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

    fn append(&self, lines: &[u8]) -> Result<(), Error> {
        self.journal.lock().extend_from_slice(lines);
        Ok(())
    }

    fn journal(&self) -> Result<Vec<u8>, Error> {
        let mut journal = self.journal.lock();
        let whole = super::whole_lines(&journal);
        journal.truncate(whole);
        Ok(journal.clone())
    }

    fn trim(&self, bytes: usize) -> Result<(), Error> {
        let mut journal = self.journal.lock();
        let bytes = bytes.min(journal.len());
        journal.drain(..bytes);
        Ok(())
    }
}
