//! A store on the local disk: the file `<name>.redb` in a data directory.
//!
//! A commit is synced when it returns. A file of its own, beside that of the inventory: redb has one writer for each file, so
//! no registration of an agent waits for the user's commits, or fails because the user's rows fill their file.
//!
//! The data directory must exist, and its owner holds the lock that keeps other processes out.
//!
//! | Table | Key | Value |
//! |---|---|---|
//! | `meta` | `"format"` | `u32`: the version of this format |
//! | `meta` | `"reader"` | `u32`: the oldest version whose builds read the store |
//! | one for each [`Table`], by its name | text | bytes |

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    marker::PhantomData,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
    backends::FileBackend,
};

use super::{Change, Error, Row, Store, Table};

const META: TableDefinition<'static, &str, u32> = TableDefinition::new("meta");

const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// An open store.
#[derive(Debug)]
pub struct Embedded<T> {
    path: PathBuf,
    database: Database,
    tables: PhantomData<T>,
}

impl<T: Table> Embedded<T> {
    /// Opens the store `name` in a data directory, or creates it there.
    ///
    /// # Errors
    /// The file cannot be read and written, another process has it open, it is damaged, or a later release wrote it.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(format!("{name}.redb"));
        if !path.exists() {
            create(directory, &path, T::FORMAT).map_err(|error| io(&path, &error))?;
        }
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .open(&path)
            .map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => io(&path, &"another process uses it"),
                redb::DatabaseError::Storage(redb::StorageError::Io(error)) => io(&path, &error),
                error => unreadable(&path, &error),
            })?;
        let store = Self {
            path,
            database,
            tables: PhantomData,
        };
        store.check_version()?;
        Ok(store)
    }

    fn check_version(&self) -> Result<(), Error> {
        let bad = |error: &dyn fmt::Display| unreadable(&self.path, error);
        let read = self.database.begin_read().map_err(|error| bad(&error))?;
        let meta = read.open_table(META).map_err(|error| bad(&error))?;
        let reader = meta.get("reader").map_err(|error| bad(&error))?;
        let own = T::FORMAT;
        match reader.map(|reader| reader.value()) {
            Some(reader) if reader <= own => Ok(()),
            Some(reader) => Err(bad(&format!(
                "it was written by a later release (format {reader}, this one reads up to {own}): start that release"
            ))),
            None => Err(bad(&"it has no format version")),
        }
    }

    fn read(&self) -> Result<Vec<Row<T>>, redb::Error> {
        let read = self.database.begin_read()?;
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

    fn write(&self, changes: &[Change<T>]) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
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
}

impl<T: Table> Store<T> for Embedded<T> {
    fn load(&self) -> Result<Vec<Row<T>>, Error> {
        self.read().map_err(|error| unreadable(&self.path, &error))
    }

    fn commit(&self, changes: &[Change<T>]) -> Result<(), Error> {
        self.write(changes).map_err(|error| io(&self.path, &error))
    }
}

/// Writes an empty store and renames it once it is complete, so that an interrupted start leaves no half of one.
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

fn unreadable(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Unreadable(format!("{}: {error}", path.display()))
}
