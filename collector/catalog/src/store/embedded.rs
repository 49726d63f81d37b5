//! A store on the local disk: the file `catalog.redb` in the collector's data directory.
//!
//! The file is separate from the inventory's: the catalog commits at its own pace (the roster every half second), redb has one
//! writer for each file, and no registration of an agent waits for the catalog or fails because it is full. The two files share
//! nothing, so they need not agree.
//!
//! Changes since the last commit of the roster are in the file `catalog.journal` beside it.
//!
//! | Table | Key | Value |
//! |---|---|---|
//! | `meta` | `"format"` | `u32`: the version of this format |
//! | `meta` | `"reader"` | `u32`: the oldest version whose builds read the store |
//! | one for each [`Table`], by its name | text | bytes |

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
    backends::FileBackend,
};

use super::{Change, Error, Row, Store, Table, journal::Journal};

const META: TableDefinition<'static, &str, u32> = TableDefinition::new("meta");
/// The version that this build writes, and the oldest that reads it.
const FORMAT: u32 = 1;

const FILE: &str = "catalog.redb";
const UNFINISHED: &str = "catalog.redb.new";
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// An open store.
#[derive(Debug)]
pub struct Embedded {
    path: PathBuf,
    database: Database,
    journal: Mutex<Journal>,
}

impl Embedded {
    /// Opens the store in an existing data directory, or creates it there.
    ///
    /// # Errors
    /// The file cannot be read and written, another process has it open, it is damaged, or it was written by a later release.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        if !path.exists() {
            create(directory).map_err(|error| io(&path, &error))?;
        }
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .open(&path)
            .map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => io(&path, &"another process uses it"),
                redb::DatabaseError::Storage(redb::StorageError::Io(error)) => io(&path, &error),
                error => unreadable(&path, &error),
            })?;
        let journal = Journal::open(directory)
            .map_err(|error| io(&directory.join("catalog.journal"), &error))?;
        let store = Self {
            path,
            database,
            journal: Mutex::new(journal),
        };
        store.check_version()?;
        Ok(store)
    }

    fn with_journal<T>(
        &self,
        act: impl FnOnce(&mut Journal) -> std::io::Result<T>,
    ) -> Result<T, Error> {
        let mut journal = self.journal.lock();
        act(&mut journal).map_err(|error| io(journal.path(), &error))
    }

    fn check_version(&self) -> Result<(), Error> {
        let bad = |error: &dyn std::fmt::Display| unreadable(&self.path, error);
        let read = self.database.begin_read().map_err(|error| bad(&error))?;
        let meta = read.open_table(META).map_err(|error| bad(&error))?;
        let reader = meta.get("reader").map_err(|error| bad(&error))?;
        match reader.map(|reader| reader.value()) {
            Some(reader) if reader <= FORMAT => Ok(()),
            Some(reader) => Err(bad(&format!(
                "it was written by a later release (format {reader}, this one reads up to {FORMAT}): start that release"
            ))),
            None => Err(bad(&"it is not a catalog")),
        }
    }

    fn read(&self) -> Result<Vec<Row>, redb::Error> {
        let read = self.database.begin_read()?;
        let mut rows = Vec::new();
        for table in Table::ALL {
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

    fn write(&self, changes: &[Change]) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_two_phase_commit(true);
        for table in Table::ALL {
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

impl Store for Embedded {
    fn load(&self) -> Result<Vec<Row>, Error> {
        self.read().map_err(|error| unreadable(&self.path, &error))
    }

    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        self.write(changes).map_err(|error| io(&self.path, &error))
    }

    fn append(&self, lines: &[u8]) -> Result<(), Error> {
        self.with_journal(|journal| journal.append(lines))
    }

    fn journal(&self) -> Result<Vec<u8>, Error> {
        self.with_journal(Journal::read)
    }

    fn trim(&self, bytes: usize) -> Result<(), Error> {
        self.with_journal(|journal| journal.trim(bytes as u64))
    }
}

/// Writes an empty store and renames it once it is complete, so that an interrupted start leaves no partial file.
fn create(directory: &Path) -> Result<(), redb::Error> {
    let unfinished = directory.join(UNFINISHED);
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
        meta.insert("format", FORMAT)?;
        meta.insert("reader", FORMAT)?;
    }
    write.commit()?;
    drop(database);
    fs::rename(&unfinished, directory.join(FILE))?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

const fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn io(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Io(format!("{}: {error}", path.display()))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Unreadable(format!("{}: {error}", path.display()))
}
