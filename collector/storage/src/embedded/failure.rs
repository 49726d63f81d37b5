//! Translates errors of the engine and the operating system into errors that name a remedy.

use std::{io, path::Path};

use crate::Error;

/// The error of the store at `path` for an error of the operating system.
pub(super) fn io(path: &Path, error: io::Error) -> Error {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::Full { path, error }
        }
        io::ErrorKind::PermissionDenied => Error::Access { path, error },
        io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { path, error },
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Error::NoDirectory { path },
        // The engine returns these for a file of another format or one that is cut short.
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Error::Corrupt {
            path,
            what: error.to_string(),
        },
        _ => Error::Io { path, error },
    }
}

/// The error of the store at `path` for an error of the engine.
pub(super) fn engine(path: &Path, error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(error) => io(path, error),
        redb::Error::PreviousIo | redb::Error::LockPoisoned(_) => Error::Poisoned {
            path: path.to_owned(),
        },
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Error::Locked {
            path: path.to_owned(),
            pid: None,
        },
        // The remaining errors mean that the contents of the file are not what this module writes.
        error => corrupt(path, error.to_string()),
    }
}

/// The error for a store at `path` whose contents differ from the contents that were written.
pub(super) fn corrupt(path: &Path, what: String) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_for_a_read_only_file_system_is_not_another_owner() {
        let text = |kind: io::ErrorKind| io(Path::new("/data"), kind.into()).to_string();
        let read_only = text(io::ErrorKind::ReadOnlyFilesystem);
        assert!(
            read_only.contains("mount its file system for writing"),
            "{read_only}"
        );
        assert!(!read_only.contains("owner"), "{read_only}");
        assert!(text(io::ErrorKind::PermissionDenied).contains("owner"));
    }
}
