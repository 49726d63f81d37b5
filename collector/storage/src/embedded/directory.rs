//! The data directory: used by one collector at a time, with a store file that is either absent or complete.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use redb::{Database, backends::FileBackend};

use super::{Medium, failure, open_engine, refuse_empty};
use crate::Error;

const LOCK: &str = "lock";
/// The file of the store in a data directory.
pub const STORE: &str = "rollcall.redb";
const UNFINISHED: &str = "rollcall.redb.new";

/// A data directory, locked by this process until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The file that was opened as the store.
    opened: Option<Opened>,
    /// Held locked; the operating system releases it however the process ends.
    _lock: File,
}

/// A file that was opened as the store. It stays open while the engine is closed: otherwise another file could get its inode.
#[derive(Debug)]
struct Opened {
    identity: Identity,
    _file: File,
}

/// The identity of a file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl Directory {
    /// Locks the directory at `path`. Creates it with mode 0700 if it is missing.
    pub(super) fn acquire(path: &Path) -> Result<Self, Error> {
        let at_path = |error| failure::io(path, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(at_path)?;
        let mut lock = options()
            .create(true)
            .open(path.join(LOCK))
            .map_err(at_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut lock);
                let path = path.to_owned();
                return Err(Error::Locked { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(at_path(error)),
        }
        write_pid(&mut lock).map_err(at_path)?;
        Ok(Self {
            path: path.to_owned(),
            opened: None,
            _lock: lock,
        })
    }

    /// The path of the store, whether or not it exists.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Opens the store for reading and writing; `None` if there is none yet.
    pub(super) fn open_store(&mut self) -> io::Result<Option<File>> {
        let Some((file, identity)) = self.find_store()? else {
            return Ok(None);
        };
        self.opened = Some(Opened {
            identity,
            // A clone of `file` would hold the engine's locks.
            _file: File::open(self.store())?,
        });
        Ok(Some(file))
    }

    fn find_store(&self) -> io::Result<Option<(File, Identity)>> {
        match options().open(self.store()) {
            Ok(file) => {
                let identity = Identity::of(&file.metadata()?);
                Ok(Some((file, identity)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the file that was opened as the store.
    fn is_opened(&self, found: Identity) -> bool {
        let opened = self.opened.as_ref();
        opened.is_some_and(|opened| opened.identity == found)
    }

    /// Whether the directory has a file of one of these names.
    pub(super) fn holds_any(&self, names: &[&str]) -> io::Result<bool> {
        for name in names {
            if self.path.join(name).try_exists()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Creates an empty file for a new store. [`Self::adopt_store`] makes it the store. Discards the file of an interrupted
    /// attempt.
    pub(super) fn new_store(&self) -> io::Result<File> {
        options()
            .create(true)
            .truncate(true)
            .open(self.path.join(UNFINISHED))
    }

    /// Makes the file of [`Self::new_store`] the store. The file must be complete, synced and closed. Also syncs the directories
    /// above it, because this start or an interrupted one may have created any of them, and a loss of power must not remove the
    /// store.
    pub(super) fn adopt_store(&self) -> io::Result<()> {
        fs::rename(self.path.join(UNFINISHED), self.store())?;
        sync_up(&fs::canonicalize(&self.path)?, &mut |directory| {
            File::open(directory)?.sync_all()
        })
    }
}

impl Medium for Directory {
    fn reopen(&mut self) -> Result<Database, Error> {
        let store = self.store();
        let found = self.find_store();
        match found.map_err(|error| failure::io(&store, error))? {
            Some((file, identity)) if self.is_opened(identity) => {
                refuse_empty(&file, &store)?;
                let backend = FileBackend::new(file).map_err(|e| failure::engine(&store, e))?;
                open_engine(backend, &store)
            }
            _ => Err(Error::Moved { path: store }),
        }
    }

    fn holds_store(&self) -> io::Result<bool> {
        match fs::metadata(self.store()) {
            Ok(metadata) => Ok(self.is_opened(Identity::of(&metadata))),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
                _ => Err(error),
            },
        }
    }
}

/// Syncs a directory and its ancestors, up to the first one that this process may not open, which it cannot have created.
pub(super) fn sync_up(
    directory: &Path,
    sync: &mut dyn FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    sync(directory)?;
    for above in directory.ancestors().skip(1) {
        match sync(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            synced => synced?,
        }
    }
    Ok(())
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

/// Writes the process id for operators, and for the message of a collector that is refused. Nothing else relies on it.
fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}
