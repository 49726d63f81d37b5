//! fjall: a log-structured merge tree.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{Engine, Result, Sample, SeenSample};

struct Lsm {
    database: Database,
    rows: Keyspace,
    seen: Keyspace,
}

/// Opens fjall with its defaults.
pub(crate) fn open(directory: &Path) -> Result<Box<dyn Engine>> {
    open_with(directory, KeyspaceCreateOptions::default)
}

/// Opens fjall with the smallest memtables that its documentation recommends, so that it reads less of its journal when it opens.
pub(crate) fn open_small(directory: &Path) -> Result<Box<dyn Engine>> {
    open_with(directory, || {
        KeyspaceCreateOptions::default().max_memtable_size(8 * 1024 * 1024)
    })
}

fn open_with(directory: &Path, options: fn() -> KeyspaceCreateOptions) -> Result<Box<dyn Engine>> {
    let database = Database::builder(directory).open()?;
    let rows = database.keyspace("rows", options)?;
    let seen = database.keyspace("seen", options)?;
    Ok(Box::new(Lsm {
        database,
        rows,
        seen,
    }))
}

impl Lsm {
    fn put<'a>(
        &self,
        keyspace: &Keyspace,
        entries: impl Iterator<Item = (i32, &'a [u8])>,
    ) -> Result<()> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (id, value) in entries {
            batch.insert(keyspace, id.to_be_bytes(), value);
        }
        Ok(batch.commit()?)
    }
}

impl Engine for Lsm {
    fn insert(&mut self, rows: &[Sample]) -> Result<()> {
        self.put(&self.rows, rows.iter().map(|row| (row.id, &*row.value)))
    }

    fn update(&mut self, seen: &[SeenSample]) -> Result<()> {
        let entries = seen
            .iter()
            .map(|sample| (sample.seen.instance.get(), &sample.value[..]));
        self.put(&self.seen, entries)
    }

    fn load(&mut self) -> Result<usize> {
        let mut count = 0;
        for entry in self.rows.iter().chain(self.seen.iter()) {
            count += usize::from(!entry.into_inner()?.1.is_empty());
        }
        Ok(count)
    }
}
