//! A store on the local disk: one directory, one file, one synced commit per batch.
//!
//! # Guarantees
//!
//! * [`Embedded::commit`] has synced the file when it returns. After a crash or a loss of power at any moment, the store has the
//!   state after some commit: never a part of a commit, and never a state older than the last commit that returned.
//! * Only one process uses a store at a time; a second one is refused.
//! * Every read is verified. The engine's checksums of all pages are verified when the store is opened, and every value has a
//!   checksum of its own. A mismatch is reported as [`Error::Corrupt`]. The store never guesses, and never repairs itself at the
//!   cost of rows. (One bit of the file is not covered, and only after a crash: the bit that selects the engine's active commit
//!   slot.)
//! * If the file is removed, renamed or replaced while the store is open, the next commit fails. So no write is acknowledged that
//!   the next start would not find.
//! * A commit that finds the disk full is written again by [`Embedded::catch_up`] once there is room (`embedded/resume.rs`). After any other
//!   failure of a commit the store accepts no more, because it cannot know what is on the disk.
//!
//! Like every local store, it trusts the disk to keep synced data. It cannot detect that the file was replaced by an older copy of
//! itself while no collector had it open, or that such a copy was written into it while the disk was full.
//!
//! # Why redb
//!
//! `tests/benches/storage` compares it with fjall 3 and has the figures. fjall needs 150 us of CPU less per commit, which matters
//! when few rows share a commit, at low load; from a few hundred rows on the two are close. To open a million instances fjall took
//! two seconds of CPU and redb a third of a second, with every page verified, and a restart keeps agents waiting. redb also stores
//! one file with a specified format, has no background threads and almost no dependencies, and does its I/O through a trait, so the
//! tests can substitute a failing disk.
//!
//! Rows are keyed by id, one table per dictionary. New ids are neighbours, so a batch touches few pages. One value per batch
//! would be up to four times cheaper to write in large batches, but would need compaction.
//!
//! # On disk
//!
//! The directory is created with mode 0700 and holds
//! * `lock`: locked by the collector that uses the directory; it holds that collector's process id as text;
//! * `rollcall.redb`: the store, a [redb](https://docs.rs/redb) file. It is written as `rollcall.redb.new` and renamed once
//!   complete, so an interrupted start never leaves half a store.
//!
//! | Table | Key | Value |
//! |---|---|---|
//! | `meta` | `"format"` | `u32`: the version of this format; `storage/version.rs` explains both versions |
//! | `meta` | `"reader"` | `u32`: the oldest version whose builds read the store; absent in version 1 |
//! | `meta` | `"lost"` | `u32`: 1 if the store replaces one that was lost; absent otherwise |
//! | `namespace` | `""` | text: the namespace of the collectors that use the store; absent in stores of 0.1.0 until their next start |
//! | `application`, `instance`, `operation`, `address` | `i32`: the id | bytes: one row |
//! | `first` | text: the name of one of the tables of the line above | `i32`: the lowest id that is assigned, on either side of 0; absent unless set by `store import` |
//! | `seen` | `i32`: the id of the instance | bytes: when it was last seen |
//!
//! A value in bytes is a checksum (CRC-32 as in zlib, little-endian) followed by a protobuf message. The checksum covers
//! the number of the table (1 to 5, in the order above), the id as four little-endian bytes, and the message:
//!
//! | Table | Fields of the message |
//! |---|---|
//! | 1 `application` | 1 `optional string` code; 2 `int64` registered at; 3 `sint32` the application that this row gives another id, 0 if none |
//! | 2 `instance` | 1 `sint32` application id, 0 if unknown; 2 `optional string` UUID; 3 `int64` registered at; 4 `int32` generation of the agent (3, 5, 6, 8; absent if unknown); 5 `bool` adopted; 6 `repeated` property (1 `string` name, 2 `string` value) |
//! | 3 `operation` | 1 `sint32` application id, 0 if the key is unknown; 2 `int32` span type (0 entry, 1 exit, 2 local); 3 `string` name |
//! | 4 `address` | 1 `optional string` address |
//! | 5 `seen` | 1 `int64` last seen; 2 `int32` signal (1 register, 2 recover, 3 heartbeat, 4 JVM metrics, 5 trace segment, 6 telemetry, 7 poll, 8 leave); 3 `bool` down; 4 `bool` silent; 5 `bool` left (and down, for a build that does not know field 5); 6 `int64` usual interval between two signals, in milliseconds; 7 `uint32` tag of the member that observed the signal, absent if unknown; 8 `bool` forgotten |
//!
//! Times are milliseconds since the Unix epoch. Numbers of enumerations fit in one byte, those of signals in six bits. A build
//! keeps numbers that it does not know, and writes them back unchanged.

mod directory;
mod failure;
mod first;
mod load;
pub mod maintenance;
mod namespace;
mod resume;
mod snapshot;
mod values;
mod version;
mod write;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use redb::{Builder, Database, StorageBackend, TableDefinition, backends::FileBackend};
use rollcall_snapshot::Snapshot;

pub use self::directory::STORE;
pub(crate) use self::values::Values;
use self::{directory::Directory, resume::State};
use super::{Batch, Commit, Counts, Error, FirstIds, Part, Record, Storage, version::Versions};

type Table = TableDefinition<'static, i32, &'static [u8]>;

const APPLICATIONS: Table = TableDefinition::new("application");
const INSTANCES: Table = TableDefinition::new("instance");
const OPERATIONS: Table = TableDefinition::new("operation");
const ADDRESSES: Table = TableDefinition::new("address");
const SEEN: Table = TableDefinition::new("seen");

/// The engine's page cache. It is small because pages are read once at the start and a commit touches few, and the operating
/// system caches the file as well.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// The location of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The data directory; created if it is missing.
    pub path: PathBuf,
    /// The namespace of the collector, which the store records; empty for none.
    pub namespace: String,
}

/// The purpose for which a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To use it: an older format is upgraded, and the namespace is recorded.
    Write,
    /// To show it: format and namespace stay as they are.
    Read,
}

/// An open store. The directory is free for another process once this is dropped.
#[derive(Debug)]
pub struct Embedded {
    store: PathBuf,
    state: State,
    /// Whether the next commit removes the record of a lost store.
    forgets_loss: bool,
    /// Dropped last: the directory stays locked until the database is closed.
    medium: Box<dyn Medium>,
}

/// The disk of a store, as far as the engine does not see it.
trait Medium: std::fmt::Debug + Send {
    /// Opens the engine again on the file that was opened as the store, after the engine was closed.
    fn reopen(&mut self) -> Result<Database, Error>;

    /// Whether the next start would find the file that was opened as the store. If it was removed, renamed or replaced, what is
    /// written to it is lost with this process.
    fn holds_store(&self) -> io::Result<bool>;
}

/// Opens the store in a directory, or creates it there. Verifies the whole file, which takes about half a second per
/// million instances.
///
/// # Errors
/// Another collector uses the directory ([`Error::Locked`]); this process may not read and write it
/// ([`Error::Access`]); the file is damaged ([`Error::Corrupt`]) or from a newer release
/// ([`Error::UnsupportedVersion`]); it belongs to another namespace ([`Error::OtherNamespace`]); there is no room to
/// create it ([`Error::Full`]).
pub fn open(config: &Config) -> Result<Embedded, Error> {
    open_beside(config, &[])
}

/// As [`open`], beside files of these names, which a collector creates in the directory after the store. If one of them is there
/// without the store, the store was lost: the new one records that ([`Storage::is_lost`]).
///
/// # Errors
/// As [`open`].
pub fn open_beside(config: &Config, companions: &[&str]) -> Result<Embedded, Error> {
    open_for(config, Purpose::Write, companions)
}

fn open_for(config: &Config, purpose: Purpose, companions: &[&str]) -> Result<Embedded, Error> {
    let mut directory = Directory::acquire(&config.path)?;
    let store = directory.store();
    let at_store = |error| failure::io(&store, error);
    let file = match directory.open_store().map_err(at_store)? {
        Some(file) => file,
        None => create(&mut directory, companions)?,
    };
    refuse_empty(&file, &store)?;
    let backend = FileBackend::new(file).map_err(|error| failure::engine(&store, error))?;
    let opened = open_backend(backend, store, Box::new(directory), purpose)?;
    namespace::claim(&opened, &config.namespace, purpose)?;
    Ok(opened)
}

/// Refuses an empty file: the engine would treat it as a new store, and a store of Rollcall is never empty.
fn refuse_empty(file: &File, store: &Path) -> Result<(), Error> {
    let metadata = file.metadata().map_err(|error| failure::io(store, error))?;
    match metadata.len() {
        0 => Err(failure::corrupt(store, "the file is empty".into())),
        _ => Ok(()),
    }
}

/// Writes a new, empty store and opens its file.
fn create(directory: &mut Directory, companions: &[&str]) -> Result<File, Error> {
    let store = directory.store();
    let at_store = |error| failure::io(&store, error);
    let file = directory.new_store().map_err(at_store)?;
    let backend = FileBackend::new(file).map_err(|error| failure::engine(&store, error))?;
    let is_lost = directory.holds_any(companions).map_err(at_store)?;
    initialize(backend, is_lost).map_err(|error| failure::engine(&store, error))?;
    directory.adopt_store().map_err(at_store)?;
    let missing = || failure::io(&store, io::ErrorKind::NotFound.into());
    directory
        .open_store()
        .map_err(at_store)?
        .ok_or_else(missing)
}

/// Creates a store in an empty backend and closes it. `is_lost`: it replaces one that was lost.
fn initialize(backend: impl StorageBackend, is_lost: bool) -> Result<(), redb::Error> {
    let database = Builder::new().create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    version::record(&transaction, Versions::NEW)?;
    if is_lost {
        version::record_loss(&transaction)?;
    }
    for table in [APPLICATIONS, INSTANCES, OPERATIONS, ADDRESSES, SEEN] {
        transaction.open_table(table)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Opens the store that a backend holds; `store` is its name in messages.
fn open_backend(
    backend: impl StorageBackend,
    store: PathBuf,
    medium: Box<dyn Medium>,
    purpose: Purpose,
) -> Result<Embedded, Error> {
    let database = open_engine(backend, &store)?;
    version::check(&database, &store, purpose)?;
    Ok(Embedded {
        store,
        state: State::Open(database),
        forgets_loss: false,
        medium,
    })
}

/// Opens the engine on the store at `store`, and verifies all of it.
fn open_engine(backend: impl StorageBackend, store: &Path) -> Result<Database, Error> {
    Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(|error| failure::engine(store, error))
}

impl Storage for Embedded {
    fn counts(&mut self) -> Result<Counts, Error> {
        self.count_all().map_err(|error| self.engine(error))
    }

    fn first_ids(&mut self) -> Result<FirstIds, Error> {
        first::read(self)
    }

    fn is_lost(&mut self) -> Result<bool, Error> {
        let replaces_lost = || version::replaces_lost(self.database()?);
        replaces_lost().map_err(|error| self.engine(error))
    }

    fn forget_loss(&mut self) {
        self.forgets_loss = true;
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        let mut sink = |record| sink(record);
        self.load_all(&mut |values| values.decode(&mut sink))
    }

    fn load_parts(&mut self, take: &mut dyn FnMut(Part) -> Result<(), Error>) -> Result<(), Error> {
        self.load_all(&mut |values| take(values.into()))
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, Error> {
        let database = self.state.open(&self.store)?;
        let written = self.write(database, batch);
        match &written {
            Ok(()) => self.forgets_loss = false,
            Err(error) => self.state = State::after(error, batch),
        }
        written.map(|()| Commit::Durable)
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), Error> {
        self.resume(sink)
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        self.take_snapshot().map(Some)
    }
}

impl Embedded {
    /// Makes a batch durable, in a file that the next start will find.
    fn write(&self, database: &Database, batch: Batch<'_>) -> Result<(), Error> {
        write::write(database, batch, self.forgets_loss).map_err(|error| self.engine(error))?;
        match self.medium.holds_store() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Moved {
                path: self.store.clone(),
            }),
            Err(error) => Err(failure::io(&self.store, error)),
        }
    }

    fn engine(&self, error: impl Into<redb::Error>) -> Error {
        failure::engine(&self.store, error)
    }
}
