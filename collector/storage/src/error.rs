//! Errors of a store, grouped by how the operator can react.

use std::{io, path::PathBuf};

/// Why a store could not be opened, read or written. Every message names the place, the cause and the remedy, so there is no
/// further source to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the store open. Nothing was changed.
    #[error(
        "{} is in use by another collector{}: stop that one, or give this one a data directory of its own (--data-dir, \
         SW_STORAGE_PATH)",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The file or directory.
        path: PathBuf,
        /// The process that holds the lock, if it is known.
        pid: Option<u32>,
    },

    /// The contents differ from the contents that were written. Nothing was repaired or deleted.
    #[error(
        "{} is damaged ({what}): restore it from a backup, or move it elsewhere to start empty (running agents keep their ids)",
        path.display()
    )]
    Corrupt {
        /// The file or directory.
        path: PathBuf,
        /// The difference.
        what: String,
    },

    /// Hard state of a shared store differs from the state that was written. Nothing was repaired or deleted.
    #[error(
        "{key} cannot be used ({what}): delete the key if another program wrote it; otherwise restore etcd from a \
         backup, or delete everything below the store's prefix to start empty (running agents keep their ids)"
    )]
    Unreadable {
        /// The key, or the prefix of the keys.
        key: String,
        /// The difference.
        what: String,
    },

    /// The store has a format that this build does not know. Nothing was changed.
    #[error(
        "{} needs a collector that reads format version {found}, and this one reads up to version {supported}: use the release that wrote the store, or a newer one",
        path.display()
    )]
    UnsupportedVersion {
        /// The file or key.
        path: PathBuf,
        /// The oldest version whose builds read the store.
        found: u32,
        /// The version of this build.
        supported: u32,
    },

    /// The store holds the inventory of another namespace. Nothing was changed.
    #[error(
        "{store} holds the inventory of {}, and this collector belongs to {}: two namespaces never share an inventory; \
         give this collector the namespace of the store (SW_NAMESPACE), or a store of its own (SW_STORAGE_PATH, \
         SW_STORAGE_ETCD_NAMESPACE)",
        named(found),
        named(own)
    )]
    OtherNamespace {
        /// The location of the store.
        store: String,
        /// The namespace that the store was created for; empty for none.
        found: String,
        /// The namespace of this collector; empty for none.
        own: String,
    },

    /// The operating system does not let this process read and write the store.
    #[error(
        "{} cannot be used by this process ({error}): run the collector as the owner of the directory, or give the directory to its user",
        path.display()
    )]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },

    /// The store is on a file system that is mounted read-only.
    #[error(
        "{} cannot be written ({error}): mount its file system for writing; if it was mounted for writing before, the system has found \
         an error of the disk, and the log of its kernel (dmesg) says which",
        path.display()
    )]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },

    /// The disk or quota is full. Nothing is lost: a later write may succeed.
    #[error(
        "no room left to write {} ({error}): free some space or raise the limit",
        path.display()
    )]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },

    /// There is no store in the directory. Nothing was created.
    #[error("{} holds no store: give the data directory of the collector with --data-dir (SW_STORAGE_PATH)", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },

    /// The path of the directory is that of a file.
    #[error("{} is not a directory: give another one with --data-dir (SW_STORAGE_PATH)", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },

    /// Reading or writing failed for another reason.
    #[error("cannot read or write {} ({error}): check the disk and the path, then start again", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },

    /// The open file is no longer the store: the next start would not find data that is written to it.
    #[error(
        "{} was removed, renamed or replaced while the collector used it: no more writes are acknowledged; restore it and start \
         again, or start with the present contents (running agents keep their ids)",
        path.display()
    )]
    Moved {
        /// The file or directory.
        path: PathBuf,
    },

    /// The store is unavailable. Nothing is lost: the call can be retried.
    #[error(
        "{store} is unavailable ({reason}): calls are retried, and until one succeeds new names get no ids"
    )]
    Unavailable {
        /// The location of the store.
        store: String,
        /// The cause.
        reason: String,
    },

    /// A shared store has no space left. Nothing is lost: a later write may succeed.
    #[error("{store} accepts no writes, and new names get no ids until it does: {reason}")]
    NoSpace {
        /// The location of the store.
        store: String,
        /// The cause.
        reason: String,
    },

    /// The store denied the request. Nothing is lost: the call can be retried.
    #[error("{store} cannot be used ({reason}): check the user, the password and the permissions")]
    Refused {
        /// The location of the store.
        store: String,
        /// The cause.
        reason: String,
    },

    /// The store refuses a value, and would refuse it again. Nothing was written.
    #[error("{store} refuses a value ({reason})")]
    Invalid {
        /// The location of the store.
        store: String,
        /// The cause.
        reason: String,
    },

    /// An earlier write failed, so the state on disk is unknown and further writes are refused.
    #[error("{} accepts no more writes after one failed: start the collector again", path.display())]
    Poisoned {
        /// The file or directory.
        path: PathBuf,
    },
}

/// A namespace as messages show it.
fn named(namespace: &str) -> String {
    match namespace {
        "" => "the empty namespace".to_owned(),
        namespace => format!("namespace {namespace}"),
    }
}

impl Error {
    /// Whether the value is the cause of the error, so that no later attempt can succeed.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }

    /// Whether the same operation may succeed later in the same process.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::NoSpace { .. }
                | Self::Full { .. }
                | Self::Refused { .. }
        )
    }

    /// Whether the store, its disk or its quota is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Full { .. })
    }
}
