//! The new file, which is written in steps.

use std::{fmt, fs::File};

use redb::{Builder, Database, WriteTransaction, backends::FileBackend};

use super::Error;

/// The bytes of rows that one step copies.
const STEP: usize = 4 << 20;
/// The engine's cache for the copy.
const CACHE_BYTES: usize = 8 << 20;

/// A copy that is being written. A step may contain rows of several tables.
pub struct Copy<'a> {
    database: Database,
    step: Option<WriteTransaction>,
    /// The bytes of the rows in this step.
    bytes: usize,
    goes_on: &'a mut dyn FnMut() -> bool,
}

impl<'a> Copy<'a> {
    /// A copy in an empty file. `goes_on` is asked before each step.
    pub(super) fn new(file: File, goes_on: &'a mut dyn FnMut() -> bool) -> Result<Self, Error> {
        let backend = FileBackend::new(file).map_err(Error::write)?;
        let created = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend);
        Ok(Self {
            database: created.map_err(Error::write)?,
            step: None,
            bytes: 0,
            goes_on,
        })
    }

    /// The step under way, or the next one.
    pub(super) fn step(&mut self) -> Result<&WriteTransaction, Error> {
        let step = match self.step.take() {
            Some(step) => step,
            None if (self.goes_on)() => self.database.begin_write().map_err(Error::write)?,
            None => return Err(Error::Ended),
        };
        Ok(self.step.insert(step))
    }

    /// The bytes that the step under way has room for.
    pub(super) fn room(&self) -> usize {
        STEP.saturating_sub(self.bytes)
    }

    /// Counts bytes of the step under way, and ends it if it is full.
    pub(super) fn wrote(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        match self.bytes < STEP {
            true => Ok(()),
            false => self.end_step(),
        }
    }

    /// Ends the last step, and closes the file.
    pub(super) fn end(mut self) -> Result<(), Error> {
        self.end_step()?;
        self.database.close().map_err(Error::write)
    }

    fn end_step(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let step = self.step.take();
        step.map_or(Ok(()), |step| step.commit().map_err(Error::write))
    }
}

impl fmt::Debug for Copy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
