//! The store of the collector.

use std::path::Path;

use rollcall_storage::{
    Batch, Storage as _,
    embedded::{self, Config, Embedded},
};

use crate::engine::{Engine, Result, Sample, SeenSample};

pub(crate) fn open(directory: &Path) -> Result<Box<dyn Engine>> {
    let path = directory.to_owned();
    let namespace = String::new();
    Ok(Box::new(embedded::open(&Config { path, namespace })?))
}

impl Engine for Embedded {
    fn insert(&mut self, rows: &[Sample]) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(|sample| sample.row.clone()).collect();
        let batch = Batch {
            rows: &rows,
            seen: &[],
            digest: None,
        };
        Ok(self.commit(batch).map(drop)?)
    }

    fn update(&mut self, seen: &[SeenSample]) -> Result<()> {
        let seen: Vec<_> = seen.iter().map(|sample| sample.seen).collect();
        let batch = Batch {
            rows: &[],
            seen: &seen,
            digest: None,
        };
        Ok(self.commit(batch).map(drop)?)
    }

    fn load(&mut self) -> Result<usize> {
        let mut count = 0;
        rollcall_storage::Storage::load(self, &mut |_| count += 1)?;
        Ok(count)
    }
}
