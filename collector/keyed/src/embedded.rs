//! A store on the local disk: the file `<name>.redb` in a data directory.
//!
//! A commit is synced when it returns. The store is a separate file beside that of the inventory: redb allows one writer for
//! each file, so no registration of an agent waits for the user's commits.
//!
//! The data directory must exist. Its opener holds the lock that excludes other processes.
//!
//! The start verifies the engine's checksums of all pages. A damaged file is refused as a whole.
//!
//! Before a commit the store checks that the next start would find the open file, because data written to a removed or renamed file
//! is lost. After a failure, redb refuses every call, so the store closes the file, and the next call opens it again.
//!
//! | Table | Key | Value |
//! |---|---|---|
//! | `meta` | `"format"` | `u32`: the version of this format |
//! | `meta` | `"reader"` | `u32`: the oldest version whose builds read the store |
//! | one for each [`Table`], by its name | text | bytes |

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    marker::PhantomData,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
    backends::FileBackend,
};

use rollcall_snapshot::{Snapshot, table};

use super::{Change, Error, Row, Store, Table};

const META: TableDefinition<'static, &str, u32> = TableDefinition::new("meta");

const MOVED: &str = "it was removed, renamed or replaced while the collector used it: no more writes are acknowledged; restore it \
                     and start again, or start with the present contents";

const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// An open store.
#[derive(Debug)]
pub struct Embedded<T> {
    path: PathBuf,
    place: Place,
    is_new: bool,
    /// `None` after a failure.
    database: Mutex<Option<Database>>,
    tables: PhantomData<T>,
}

/// The identity of a file, whatever its name: its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u64, u64);

impl<T: Table> Embedded<T> {
    /// Opens the store `name` in a data directory, or creates it there.
    ///
    /// # Errors
    /// The file cannot be read and written, another process has it open, it is damaged, or a later release wrote it.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(format!("{name}.redb"));
        let is_new = !path.exists();
        if is_new {
            create(directory, &path, T::FORMAT).map_err(|error| io(&path, &error))?;
        }
        let database = open(&path, Verify::All)?;
        check_version::<T>(&path, &database)?;
        let place = Place::of(&path).map_err(|error| io(&path, &error))?;
        Ok(Self {
            path,
            place,
            is_new,
            database: Mutex::new(Some(database)),
            tables: PhantomData,
        })
    }

    /// Whether [`Embedded::open`] created the file.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Calls the open database. Closes it if the call fails.
    fn with<R>(
        &self,
        call: impl FnOnce(&Database) -> Result<R, redb::Error>,
    ) -> Result<Result<R, redb::Error>, Error> {
        let mut slot = self.database.lock();
        match Place::of(&self.path) {
            Ok(place) if place == self.place => {}
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io(&self.path, &error));
            }
            _ => return Err(Error::Moved(format!("{}: {MOVED}", self.path.display()))),
        }
        let database = match slot.take() {
            Some(database) => database,
            None => open(&self.path, Verify::Nothing)?,
        };
        let called = call(&database);
        if called.is_ok() {
            *slot = Some(database);
        }
        Ok(called)
    }
}

impl Place {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// The pages that are verified when the file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verify {
    /// Every page, which takes about half a second per million rows. Otherwise the engine trusts the file.
    All,
    /// Nothing: this process verified the file before, and has written it since.
    Nothing,
}

fn open(path: &Path, verify: Verify) -> Result<Database, Error> {
    let length = fs::metadata(path).map_err(|error| io(path, &error))?.len();
    if length == 0 {
        return Err(damaged(path, &"the file is empty"));
    }
    let opened = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(verify == Verify::All)
        .open(path);
    opened.map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => io(path, &"another process uses it"),
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
            // The engine returns these for a file of another format or one that is cut short.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => damaged(path, &error),
            _ => io(path, &error),
        },
        error => damaged(path, &error),
    })
}

fn check_version<T: Table>(path: &Path, database: &Database) -> Result<(), Error> {
    let bad = |error: &dyn fmt::Display| damaged(path, error);
    let read = database.begin_read().map_err(|error| bad(&error))?;
    let meta = read.open_table(META).map_err(|error| bad(&error))?;
    let reader = meta.get("reader").map_err(|error| bad(&error))?;
    let own = T::FORMAT;
    match reader.map(|reader| reader.value()) {
        Some(reader) if reader <= own => Ok(()),
        Some(reader) => Err(Error::Unreadable(format!(
            "{}: it was written by a later release (format {reader}, this one reads up to {own}): start that release",
            path.display()
        ))),
        None => Err(bad(&"it has no format version")),
    }
}

fn read<T: Table>(database: &Database) -> Result<Vec<Row<T>>, redb::Error> {
    let read = database.begin_read()?;
    let mut rows = Vec::new();
    for table in T::ALL.iter().copied() {
        let entries = match read.open_table(definition(table)) {
            Ok(entries) => entries,
            Err(TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries.iter()? {
            let (key, value) = entry?;
            rows.push(Row {
                table,
                key: key.value().to_owned(),
                value: value.value().to_vec(),
            });
        }
    }
    Ok(rows)
}

fn get<T: Table>(database: &Database, table: T, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    match database.begin_read()?.open_table(definition(table)) {
        Ok(entries) => Ok(entries.get(key)?.map(|value| value.value().to_vec())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn write<T: Table>(database: &Database, changes: &[Change<T>]) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_two_phase_commit(true);
    for table in T::ALL.iter().copied() {
        let mut own = changes
            .iter()
            .filter(|change| change.table() == table)
            .peekable();
        if own.peek().is_none() {
            continue;
        }
        let mut entries = write.open_table(definition(table))?;
        for change in own {
            match change {
                Change::Put(row) => {
                    entries.insert(row.key.as_str(), row.value.as_slice())?;
                }
                Change::Remove { key, .. } => {
                    entries.remove(key.as_str())?;
                }
            }
        }
    }
    write.commit()?;
    Ok(())
}

impl<T: Table> Store<T> for Embedded<T> {
    fn load(&self) -> Result<Vec<Row<T>>, Error> {
        self.with(read)?
            .map_err(|error| not_read(&self.path, &error))
    }

    fn get(&self, table: T, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.with(|database| get(database, table, key))?
            .map_err(|error| not_read(&self.path, &error))
    }

    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error> {
        self.with(|database| write(database, changes))?
            .map_err(|error| io(&self.path, &error))
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let mut tables = vec![table(META)];
        let rows = T::ALL.iter().copied().map(definition);
        tables.extend(rows.map(table));
        let transaction = self.with(|database| Ok(database.begin_read()?))?;
        let transaction = transaction.map_err(|error| not_read(&self.path, &error))?;
        Ok(Some(Snapshot::new(transaction, tables)))
    }
}

/// Writes an empty store and renames it once it is complete, so that an interrupted start leaves no incomplete store.
fn create(directory: &Path, path: &Path, format: u32) -> Result<(), redb::Error> {
    let unfinished = path.with_extension("redb.new");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    let database = Builder::new().create_with_backend(FileBackend::new(file)?)?;
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", format)?;
        meta.insert("reader", format)?;
    }
    write.commit()?;
    drop(database);
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn definition<T: Table>(table: T) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn io(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Io(format!("{}: {error}", path.display()))
}

fn not_read(path: &Path, error: &redb::Error) -> Error {
    match error {
        redb::Error::Io(error) => io(path, error),
        error => damaged(path, error),
    }
}

fn damaged(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Unreadable(format!(
        "{} is damaged ({error}): restore it from a backup, or move it elsewhere to start without its contents",
        path.display()
    ))
}
