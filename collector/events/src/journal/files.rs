//! The files of a lane and their directory.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use crate::Lane;

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems cannot synchronise a directory.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Creates directories that only the collector's user may read.
pub(super) fn directories() -> DirBuilder {
    let mut directories = DirBuilder::new();
    directories.mode(0o700);
    directories
}

/// The result of a call for a file that may be missing.
pub(super) fn or_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The name of the file that becomes the current one.
pub(super) fn new(lane: Lane) -> String {
    format!("{}.new.log", lane.name())
}

/// The name of the file that is written.
pub(super) fn current(lane: Lane) -> String {
    format!("{}.log", lane.name())
}

/// The name of the file that the next rotation replaces.
pub(super) fn old(lane: Lane) -> String {
    format!("{}.old.log", lane.name())
}
