//! Storages that fail on request, for tests of their callers.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rollcall_domain::inventory::Row;

use super::{Batch, Commit, Counts, Error, LastSeen, Record, Storage};

/// Forwards every call to another storage until the n-th commit. That commit and all later ones fail.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    /// Commits that still succeed.
    left: usize,
    failed: bool,
}

impl<S: Storage> Faulty<S> {
    /// A storage whose `n`-th commit, counted from 1, is the first to fail.
    pub fn failing_at(n: usize, inner: S) -> Self {
        Self {
            inner,
            left: n.saturating_sub(1),
            failed: false,
        }
    }
}

impl<S: Storage> Storage for Faulty<S> {
    fn counts(&mut self) -> Result<Counts, Error> {
        self.inner.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.inner.load(sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let path = PathBuf::from("faulty");
        if self.failed {
            return Err(Error::Poisoned { path });
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.failed = true;
            let error = io::Error::other("injected failure");
            return Err(Error::Io { path, error });
        };
        self.left = left;
        self.inner.commit(batch)
    }
}

/// Forwards every call to another storage, but refuses batches with an application whose code begins with `refused`.
#[derive(Debug)]
pub struct Picky<S>(pub S);

impl<S: Storage> Storage for Picky<S> {
    fn counts(&mut self) -> Result<Counts, Error> {
        self.0.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.0.load(sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let is_refused = |row: &Row| match row {
            Row::Application(row) => row.code.as_deref().unwrap_or("").starts_with("refused"),
            _ => false,
        };
        if batch.rows.iter().any(is_refused) {
            let (store, reason) = ("picky".to_owned(), "injected refusal".to_owned());
            return Err(Error::Invalid { store, reason });
        }
        self.0.commit(batch)
    }
}

/// Forwards every call to another storage, on a disk that a test fills. A batch that finds it full is written by the first
/// `catch_up` that finds room, as by [`Embedded`](crate::embedded::Embedded).
#[derive(Debug)]
pub struct Tight<S> {
    inner: S,
    is_full: Arc<AtomicBool>,
    unwritten: Option<(Vec<Row>, Vec<LastSeen>)>,
}

impl<S: Storage> Tight<S> {
    /// A storage whose disk is full while `is_full`.
    pub fn new(inner: S, is_full: &Arc<AtomicBool>) -> Self {
        Self {
            inner,
            is_full: Arc::clone(is_full),
            unwritten: None,
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.is_full.load(Ordering::Acquire) {
            let path = PathBuf::from("tight");
            let error = io::ErrorKind::StorageFull.into();
            return Err(Error::Full { path, error });
        }
        Ok(())
    }
}

impl<S: Storage> Storage for Tight<S> {
    fn counts(&mut self) -> Result<Counts, Error> {
        self.inner.counts()
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.inner.load(sink)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        if let Err(full) = self.check() {
            self.unwritten = Some((batch.rows.to_vec(), batch.seen.to_vec()));
            return Err(full);
        }
        self.inner.commit(batch)
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let Some((rows, seen)) = &self.unwritten else {
            return Ok(());
        };
        self.check()?;
        let _only_writer = self.inner.commit(Batch {
            rows,
            seen,
            digest: None,
        })?;
        let rows = rows.iter().cloned().map(Record::Row);
        let forgotten = seen.iter().copied().filter(|seen| seen.forgotten);
        rows.chain(forgotten.map(Record::LastSeen)).for_each(sink);
        self.unwritten = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::memory::Memory, *};

    #[test]
    fn the_nth_commit_fails_and_so_does_every_later_one() {
        let mut storage = Faulty::failing_at(2, Memory::default());
        let committed = storage.commit(Batch::default());
        assert!(matches!(committed, Ok(Commit::Durable)));
        assert!(matches!(
            storage.commit(Batch::default()),
            Err(Error::Io { .. })
        ));
        assert!(matches!(
            storage.commit(Batch::default()),
            Err(Error::Poisoned { .. })
        ));
    }
}
