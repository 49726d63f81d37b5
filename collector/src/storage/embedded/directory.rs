//! The data directory: one collector at a time, and a store file that is either absent or whole.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use super::failure;
use crate::storage::Error;

const LOCK: &str = "lock";
const STORE: &str = "rollcall.redb";
const UNFINISHED: &str = "rollcall.redb.new";

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held locked; the operating system lets go of it however the process ends.
    _lock: File,
}

impl Directory {
    /// Takes the directory at `path`, after creating it, for its owner alone, if it is missing.
    pub(super) fn acquire(path: &Path) -> Result<Self, Error> {
        let told = |error| failure::io(path, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(told)?;
        let mut lock = options().create(true).open(path.join(LOCK)).map_err(told)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut lock);
                let path = path.to_owned();
                return Err(Error::Locked { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        write_pid(&mut lock).map_err(told)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The file that holds the store, whether or not it is there.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Opens the store for reading and writing; `None` if there is none yet.
    pub(super) fn open_store(&self) -> io::Result<Option<File>> {
        match options().open(self.store()) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An empty file to write a new store into. It becomes the store with [`Self::adopt_store`]; what an interrupted
    /// attempt left is thrown away.
    pub(super) fn new_store(&self) -> io::Result<File> {
        options()
            .create(true)
            .truncate(true)
            .open(self.path.join(UNFINISHED))
    }

    /// Makes the file of [`Self::new_store`] the store. It must be complete, synced and closed.
    pub(super) fn adopt_store(&self) -> io::Result<()> {
        fs::rename(self.path.join(UNFINISHED), self.store())?;
        File::open(&self.path)?.sync_all()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// For people and for the message of the collector that is refused; nothing relies on it.
fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}
