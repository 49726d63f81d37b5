//! The directory of the backups: each backup is a data directory in it.
//!
//! A backup is written as `NAME.part` and renamed once everything in it is synced, so a directory without that ending is complete.
//! While it is written, its file `lock` is locked. A part that is not locked was left by a crash and is removed, unless it has a
//! file that no backup has.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::fmt::strtime;
use rollcall_domain::Timestamp;
use rustix::fs::statvfs;

use super::Error;

const UNFINISHED: &str = ".part";
/// The file that a collector locks in its data directory, too.
const LOCK: &str = "lock";
/// The longest name, in bytes.
const LONGEST: usize = 100;

/// The name of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

/// The directory of the backups.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// The files that a backup may have.
    pub(super) files: Vec<String>,
    /// The one of these that every backup has.
    pub(super) inventory: &'static str,
    /// The most finished backups.
    pub(super) most: usize,
}

/// A backup that is being written. It is removed when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    target: PathBuf,
    files: Vec<String>,
    is_kept: bool,
    _lock: File,
}

impl Name {
    /// A name that a caller has chosen. It cannot lead out of the directory.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
        let is_name = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(is_allowed)
            && text.len() <= LONGEST
            && !text.ends_with(UNFINISHED);
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Name)
        }
    }

    /// The name of a backup that begins at this time.
    pub(super) fn at(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_millisecond(time.millis()).unwrap_or_default();
        let text = strtime::format("%Y%m%dT%H%M%S.%3fZ", time);
        Self(text.unwrap_or_else(|_| time.as_millisecond().to_string()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Directory {
    /// Removes what crashes left of unfinished backups. Returns their number.
    pub(super) fn clean(&self) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_part = name.to_str().is_some_and(|name| name.ends_with(UNFINISHED));
            if is_part && entry.file_type()?.is_dir() && self.is_left(&entry.path())? {
                remove(&entry.path(), &self.files)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Whether a part has only files of backups, and no collector writes it.
    fn is_left(&self, part: &Path) -> io::Result<bool> {
        for entry in fs::read_dir(part)? {
            let name = entry?.file_name();
            if name != LOCK && !self.files.iter().any(|file| name == **file) {
                return Ok(false);
            }
        }
        Ok(lock(part)?.is_some())
    }

    /// Begins a backup.
    pub(super) fn begin(&self, name: &Name) -> Result<Part, Error> {
        let target = self.path.join(&name.0);
        let path = self.path.join(format!("{}{UNFINISHED}", name.0));
        let failed = |error| Error::failed(&self.path, &error);
        create(&self.path).map_err(failed)?;
        if fs::symlink_metadata(&target).is_ok() {
            return Err(Error::Exists);
        }
        let finished = self.finished().map_err(failed)?;
        if finished.len() >= self.most
            && let Some((_, oldest)) = finished.into_iter().next()
        {
            let most = self.most;
            return Err(Error::Many { most, oldest });
        }
        match builder().create(&path) {
            // Another collector writes it, or it has a file that no backup has.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Error::Exists),
            created => created.map_err(failed)?,
        }
        let Some(lock) = lock(&path).map_err(failed)? else {
            return Err(failed(ErrorKind::ResourceBusy.into()));
        };
        Ok(Part {
            path,
            target,
            files: self.files.clone(),
            is_kept: false,
            _lock: lock,
        })
    }

    /// The finished backups with the times when they were written, the oldest one first.
    pub(super) fn finished(&self) -> io::Result<Vec<(Timestamp, PathBuf)>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut finished = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "part") {
                continue;
            }
            // Anything else that an operator keeps here has no store.
            if let Ok(store) = fs::symlink_metadata(path.join(self.inventory)) {
                finished.push((Timestamp::from_millis(store.mtime() * 1000), path));
            }
        }
        finished.sort();
        Ok(finished)
    }

    /// Whether this is also the disk of `store`.
    pub(super) fn is_on_disk_of(&self, store: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        device(&self.path) == device(store)
    }
}

/// The free bytes on the disk of this path, as far as this process may use them. `None` if the system does not say.
pub(super) fn room(path: &Path) -> Option<u64> {
    let disk = statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl Part {
    /// The path of one of the files.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates an empty file.
    pub(super) fn create(&self, name: &str) -> io::Result<()> {
        options().create_new(true).open(self.file(name))?.sync_all()
    }

    /// Gives the finished backup its name. Returns its path and size.
    pub(super) fn keep(mut self) -> io::Result<(PathBuf, u64)> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.path)? {
            bytes += entry?.metadata()?.len();
        }
        File::open(&self.path)?.sync_all()?;
        // A rename would replace an empty directory.
        if fs::symlink_metadata(&self.target).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.path, &self.target)?;
        // If the sync fails, the backup is removed under its new name.
        self.path.clone_from(&self.target);
        if let Some(directory) = self.target.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.is_kept = true;
        Ok((self.target.clone(), bytes))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Err(error) = remove(&self.path, &self.files) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "an unfinished backup cannot be removed: the next backup tries again");
        }
    }
}

/// Creates a directory, and those above it that are missing. Their entries are on disk afterwards, as a backup in them is not before.
fn create(path: &Path) -> io::Result<()> {
    let above = path.ancestors().take_while(|at| !at.as_os_str().is_empty());
    let missing: Vec<_> = above.take_while(|at| !at.exists()).collect();
    builder().recursive(true).create(path)?;
    for created in missing {
        let parent = created.parent().filter(|at| !at.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Removes a part: only these files, and the directory if it is empty then.
fn remove(part: &Path, files: &[String]) -> io::Result<()> {
    // The lock goes last, so that no file without a lock is left by a crash.
    for file in files.iter().map(String::as_str).chain([LOCK]) {
        match fs::remove_file(part.join(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _removed_or_absent => {}
        }
    }
    fs::remove_dir(part)
}

/// The lock of a part; `None` if another holder has it.
fn lock(part: &Path) -> io::Result<Option<File>> {
    let file = options().create(true).open(part.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}
