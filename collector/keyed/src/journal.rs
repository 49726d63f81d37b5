//! A journal: lines in the order in which they were appended.
//!
//! A line survives the end of the process when [`Journal::append`] returns, and a crash of the machine when the next
//! [`Journal::sync`] returns.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use super::Error;

/// Lines that survive the end of the process. Calls may block.
pub trait Journal: fmt::Debug + Send + Sync {
    /// Appends whole lines, all or none. They survive the end of the process when this returns; nothing is synced.
    ///
    /// # Errors
    /// The journal cannot be written; nothing was appended.
    fn append(&self, lines: &[u8]) -> Result<(), Error>;

    /// Makes the appended lines durable. Lines can be appended meanwhile. No other call of [`Journal::sync`] or [`Journal::trim`]
    /// may run meanwhile, because this call could then succeed before all lines are durable.
    ///
    /// # Errors
    /// The disk failed: a crash of the machine may lose lines that were appended since the last sync.
    fn sync(&self) -> Result<(), Error>;

    /// Reads all lines. Removes an incomplete last line, whose append did not return.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn lines(&self) -> Result<Vec<u8>, Error>;

    /// Removes the first `bytes`. Until the next sync, a crash of the machine may lose all lines or restore the removed ones. It
    /// must not run during a [`Journal::sync`].
    ///
    /// # Errors
    /// The journal cannot be written, and is unchanged.
    fn trim(&self, bytes: usize) -> Result<(), Error>;

    /// Records whether lines are missing, for this run and the next. The record survives the end of the process when this returns,
    /// and a crash of the machine after the next sync. It needs no space on the disk.
    ///
    /// # Errors
    /// The mark cannot be changed.
    fn mark(&self, completeness: Completeness) -> Result<(), Error>;

    /// The last recorded mark, by this run or an earlier one.
    fn completeness(&self) -> Completeness;
}

/// Whether lines are missing in a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// No line is missing.
    #[default]
    Complete,
    /// A line could not be appended.
    Incomplete,
}

/// A journal on the local disk: the file `<name>.journal` in a data directory.
///
/// The mark is the name of an empty file beside it: `<name>.journal.complete` or `<name>.journal.incomplete`. A full disk would
/// refuse a further line, but it allows a file to be renamed.
#[derive(Debug)]
pub struct File {
    open: Mutex<Open>,
    is_new: bool,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    unfinished: PathBuf,
    marks: Marks,
    file: fs::File,
    /// The bytes that the journal keeps: complete lines, once it has been read.
    bytes: u64,
    /// Whether the name of the file is new, so that a crash of the machine may lose it.
    is_named_anew: bool,
    /// Whether a failed append may have left a part of its lines after the complete ones.
    is_torn: bool,
}

/// The two possible names of the empty file, and its present one.
#[derive(Debug)]
struct Marks {
    complete: PathBuf,
    incomplete: PathBuf,
    present: Completeness,
}

impl File {
    /// Opens the journal `name` in a data directory, or creates it there.
    ///
    /// # Errors
    /// The file cannot be read and written.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(format!("{name}.journal"));
        let is_new = !path.exists();
        let opened = options().open(&path).and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        });
        let (file, bytes) = opened.map_err(|error| failed(&path, &error))?;
        let open = Open {
            unfinished: directory.join(format!("{name}.journal.new")),
            marks: Marks::open(directory, name),
            path,
            file,
            bytes,
            is_named_anew: true,
            is_torn: false,
        };
        Ok(Self {
            open: Mutex::new(open),
            is_new,
        })
    }

    /// Whether [`File::open`] created the file.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    fn with<T>(&self, act: impl FnOnce(&mut Open) -> io::Result<T>) -> Result<T, Error> {
        let mut open = self.open.lock();
        act(&mut open).map_err(|error| failed(&open.path, &error))
    }
}

impl Journal for File {
    fn append(&self, lines: &[u8]) -> Result<(), Error> {
        self.with(|open| open.append(lines))
    }

    fn sync(&self) -> Result<(), Error> {
        // Waits for the disk without the lock, because every append takes the lock.
        let (file, directory) = self.with(Open::take_unsynced)?;
        let synced = file.sync_data().and_then(|()| match &directory {
            Some(directory) => directory.sync_all(),
            None => Ok(()),
        });
        self.with(|open| {
            open.is_named_anew |= synced.is_err() && directory.is_some();
            synced
        })
    }

    fn lines(&self) -> Result<Vec<u8>, Error> {
        self.with(Open::read)
    }

    fn trim(&self, bytes: usize) -> Result<(), Error> {
        self.with(|open| open.trim(bytes as u64))
    }

    fn mark(&self, completeness: Completeness) -> Result<(), Error> {
        self.with(|open| {
            open.is_named_anew |= open.marks.present != completeness;
            open.marks.set(completeness)
        })
    }

    fn completeness(&self) -> Completeness {
        self.open.lock().marks.present
    }
}

/// The empty file that marks the journal `name` as incomplete.
#[must_use]
pub fn incomplete(name: &str) -> String {
    format!("{name}.journal.incomplete")
}

impl Marks {
    fn open(directory: &Path, name: &str) -> Self {
        let mut marks = Self {
            complete: directory.join(format!("{name}.journal.complete")),
            incomplete: directory.join(incomplete(name)),
            present: Completeness::Complete,
        };
        if marks.incomplete.exists() {
            marks.present = Completeness::Incomplete;
        } else {
            // If this fails, the file is created when the mark is needed, which a full disk may refuse.
            let _created = options().open(&marks.complete);
        }
        marks
    }

    fn set(&mut self, completeness: Completeness) -> io::Result<()> {
        if self.present == completeness {
            return Ok(());
        }
        let (from, to) = match completeness {
            Completeness::Complete => (&self.incomplete, &self.complete),
            Completeness::Incomplete => (&self.complete, &self.incomplete),
        };
        match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                options().open(to)?;
            }
            renamed => renamed?,
        }
        self.present = completeness;
        Ok(())
    }
}

/// The number of bytes of the complete lines.
pub(crate) fn complete(lines: &[u8]) -> usize {
    let end = lines.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Io(format!("{}: {error}", path.display()))
}

impl Open {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        self.is_torn = true;
        let written = self.file.write_all(lines);
        match written {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                self.is_torn = false;
            }
            Err(_) => self.mend()?,
        }
        written
    }

    /// The file to sync, and its directory if the file was created or renamed since the last sync.
    fn take_unsynced(&mut self) -> io::Result<(fs::File, Option<fs::File>)> {
        let file = self.file.try_clone()?;
        let directory = match self.path.parent() {
            Some(directory) if self.is_named_anew => Some(fs::File::open(directory)?),
            _ => None,
        };
        self.is_named_anew = false;
        Ok((file, directory))
    }

    /// Cuts off the lines of a failed append.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.bytes)?;
            self.is_torn = false;
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.mend()?;
        let mut lines = self.from(0)?;
        lines.truncate(complete(&lines));
        self.bytes = lines.len() as u64;
        self.file.set_len(self.bytes)?;
        Ok(lines)
    }

    /// Writes the remaining lines to a new file and renames it into place, so that an end of the process leaves either the old or
    /// the new file.
    fn trim(&mut self, bytes: u64) -> io::Result<()> {
        self.mend()?;
        if bytes >= self.bytes {
            self.file.set_len(0)?;
            self.bytes = 0;
            return Ok(());
        }
        let rest = self.from(bytes)?;
        let mut file = options().open(&self.unfinished)?;
        file.set_len(0)?;
        file.write_all(&rest)?;
        fs::rename(&self.unfinished, &self.path)?;
        self.file = file;
        self.bytes = rest.len() as u64;
        self.is_named_anew = true;
        Ok(())
    }

    fn from(&mut self, place: u64) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        self.file.seek(SeekFrom::Start(place))?;
        self.file.read_to_end(&mut lines)?;
        Ok(lines)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal that holds `1`, whose disk wrote a part of `22` and `333` and then failed.
    fn torn(directory: &Path) -> File {
        let journal = File::open(directory, "torn").unwrap();
        journal.append(b"1\n").unwrap();
        let mut open = journal.open.lock();
        let (path, read_only) = (open.path.clone(), fs::File::open(&open.path).unwrap());
        let disk = std::mem::replace(&mut open.file, read_only);
        // Neither a write nor a truncation is possible on this descriptor.
        open.append(b"22\n333\n").unwrap_err();
        options().open(path).unwrap().write_all(b"22\n33").unwrap();
        open.append(b"4444\n").unwrap_err();
        open.file = disk;
        drop(open);
        journal
    }

    #[test]
    fn a_part_of_a_failed_append_is_cut_off_before_the_next_call() {
        let directory = tempfile::tempdir().unwrap();
        let journal = torn(directory.path());
        journal.append(b"55555\n").unwrap();
        assert_eq!(journal.lines().unwrap(), b"1\n55555\n");

        let directory = tempfile::tempdir().unwrap();
        assert_eq!(torn(directory.path()).lines().unwrap(), b"1\n");

        let directory = tempfile::tempdir().unwrap();
        let journal = torn(directory.path());
        journal.append(b"666\n").unwrap();
        journal.trim(2).unwrap();
        assert_eq!(journal.lines().unwrap(), b"666\n");
    }
}
