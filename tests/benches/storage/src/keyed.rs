//! redb with one value per id.

use std::path::Path;

use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::{Engine, Result, Sample, SeenSample};

const ROWS: TableDefinition<'_, i32, &[u8]> = TableDefinition::new("rows");
const SEEN: TableDefinition<'_, i32, &[u8]> = TableDefinition::new("seen");

struct Keyed(Database);

pub(crate) fn open(directory: &Path) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Keyed(database(directory)?)))
}

/// Opens a database in the same way as the collector: with a small cache, and with a check of its integrity.
pub(crate) fn database(directory: &Path) -> Result<Database> {
    Ok(Builder::new()
        .set_cache_size(32 * 1024 * 1024)
        .set_check_integrity_on_open(true)
        .create(directory.join("redb"))?)
}

impl Keyed {
    fn put<'a>(
        &self,
        table: TableDefinition<'_, i32, &'static [u8]>,
        entries: impl Iterator<Item = (i32, &'a [u8])>,
    ) -> Result<()> {
        let transaction = self.0.begin_write()?;
        let mut table = transaction.open_table(table)?;
        for (id, value) in entries {
            table.insert(id, value)?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }
}

impl Engine for Keyed {
    fn insert(&mut self, rows: &[Sample]) -> Result<()> {
        self.put(ROWS, rows.iter().map(|row| (row.id, &*row.value)))
    }

    fn update(&mut self, seen: &[SeenSample]) -> Result<()> {
        let entry = |sample: &'_ SeenSample| (sample.seen.instance.get(), sample.value);
        let entries: Vec<_> = seen.iter().map(entry).collect();
        self.put(SEEN, entries.iter().map(|(id, value)| (*id, &value[..])))
    }

    fn load(&mut self) -> Result<usize> {
        let transaction = self.0.begin_read()?;
        let mut count = 0;
        for table in [ROWS, SEEN] {
            for entry in transaction.open_table(table)?.iter()? {
                count += usize::from(!entry?.1.value().is_empty());
            }
        }
        Ok(count)
    }
}
