//! Why there is no backup.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why there is no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name could lead out of the directory, or be mistaken for an unfinished backup.
    #[error(
        "the name of a backup has up to 100 letters, digits, dots, hyphens and underscores, begins with a letter or a digit, and \
         does not end with .part"
    )]
    Name,
    /// There is a backup of this name, finished or not, or another file.
    #[error("a backup or another file has this name: choose another one")]
    Exists,
    /// The directory has as many backups as are allowed.
    #[error(
        "there are {most} backups, as many as storage.embedded.max_backups allows: move the oldest one elsewhere or remove it: {}",
        oldest.display()
    )]
    Many {
        /// The most backups.
        most: usize,
        /// The path of the oldest one.
        oldest: PathBuf,
    },
    /// Another backup is being written.
    #[error("another backup is being written: wait for its end")]
    Running,
    /// The collector stops.
    #[error("the collector stops: the backup was ended and removed")]
    Stopping,
    /// The backup failed, and its files were removed.
    #[error("the backup failed and was removed: {0}")]
    Failed(String),
}

impl Error {
    pub(super) fn failed(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }
}
