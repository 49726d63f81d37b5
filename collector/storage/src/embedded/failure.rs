//! From what the engine and the operating system say to what the operator can do.

use std::{io, path::Path};

use crate::Error;

/// What an error of the operating system means for the store at `path`.
pub(super) fn io(path: &Path, error: io::Error) -> Error {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::Full { path, error }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::Access { path, error }
        }
        // What the engine makes of a file that is not one of its own, or that ends too early.
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Error::Corrupt {
            path,
            what: error.to_string(),
        },
        _ => Error::Io { path, error },
    }
}

/// What an error of the engine means for the store at `path`.
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
        // The remaining ones say that the file does not hold what this module writes.
        error => corrupt(path, error.to_string()),
    }
}

/// The store at `path` does not hold what was written.
pub(super) fn corrupt(path: &Path, what: String) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        what,
    }
}
