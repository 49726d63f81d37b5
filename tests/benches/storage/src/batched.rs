//! redb as a log with one value per commit. In production such a log would need compaction.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::{Engine, Result, Sample, SeenSample, keyed};

const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");

struct Batched {
    database: Database,
    next: u64,
}

pub(crate) fn open(directory: &Path) -> Result<Box<dyn Engine>> {
    let database = keyed::database(directory)?;
    let transaction = database.begin_write()?;
    let last = transaction
        .open_table(BATCHES)?
        .last()?
        .map(|(key, _)| key.value());
    transaction.commit()?;
    let next = last.map_or(0, |last| last + 1);
    Ok(Box::new(Batched { database, next }))
}

impl Batched {
    fn put<'a>(&mut self, entries: impl Iterator<Item = (i32, &'a [u8])>) -> Result<()> {
        let mut batch = Vec::new();
        for (id, value) in entries {
            batch.extend_from_slice(&id.to_le_bytes());
            batch.extend_from_slice(&u32::try_from(value.len())?.to_le_bytes());
            batch.extend_from_slice(value);
        }
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(BATCHES)?
            .insert(self.next, batch.as_slice())?;
        self.next += 1;
        Ok(transaction.commit()?)
    }
}

impl Engine for Batched {
    fn insert(&mut self, rows: &[Sample]) -> Result<()> {
        self.put(rows.iter().map(|row| (row.id, &*row.value)))
    }

    fn update(&mut self, seen: &[SeenSample]) -> Result<()> {
        self.put(
            seen.iter()
                .map(|sample| (sample.seen.instance.get(), &sample.value[..])),
        )
    }

    fn load(&mut self) -> Result<usize> {
        let transaction = self.database.begin_read()?;
        let mut count = 0;
        for entry in transaction.open_table(BATCHES)?.iter()? {
            let (_, batch) = entry?;
            let mut rest = batch.value();
            while let Some((header, tail)) = rest.split_first_chunk::<8>() {
                let [_, _, _, _, length @ ..] = *header;
                rest = &tail[usize::try_from(u32::from_le_bytes(length))?..];
                count += 1;
            }
        }
        Ok(count)
    }
}
