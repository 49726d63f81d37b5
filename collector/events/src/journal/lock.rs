//! The lock of a directory of journals: one collector at a time writes there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    process,
};

use super::Error;

const LOCK: &str = "lock";

/// A locked directory. The operating system releases it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Locks a directory, which is created with mode 0700 if it is missing.
    ///
    /// # Errors
    /// Another collector uses the directory, or it cannot be written.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, Error> {
        lock(directory).map_err(|source| Error {
            path: directory.to_owned(),
            source,
        })
    }

    /// Locks the directory again if its lock was removed or replaced.
    ///
    /// # Errors
    /// Another collector uses the directory by now, or it cannot be written.
    pub(super) fn renew(&mut self, directory: &Path) -> io::Result<()> {
        if !self.is_in(directory)? {
            *self = lock(directory)?;
        }
        Ok(())
    }

    fn is_in(&self, directory: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match fs::metadata(directory.join(LOCK)) {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn lock(directory: &Path) -> io::Result<Lock> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let mut file = options.open(directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => {
            // The process id, for the message of a collector that is refused.
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", process::id())?;
            Ok(Lock { file })
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            let holder = holder.trim();
            Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "the collector with the process id {holder} uses it; give each collector a directory of its own \
                     (timeline.default.journal_path)"
                ),
            ))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}
