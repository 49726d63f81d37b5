//! Backups of the stores on the local disk, while the collector runs.
//!
//! A backup is a data directory with a copy of each store: its state between two commits, at some time after the call began. So it
//! has every id that a caller received before the call. A thread of low priority copies the stores, in steps that can be ended. One
//! backup is written at a time.
//!
//! Left out: the journal of events, and that of ephemeral Nacos instances. A copy of the latter could lack changes that its store
//! has already, so the backup marks it as incomplete, and the start on the backup waits until the clients have registered again.

mod directory;
mod metrics;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_domain::Moment;
use rollcall_storage::{Snapshot, SnapshotError};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use self::{
    directory::{Directory, Name, Part},
    metrics::Metrics,
};
use super::Services;

/// Where backups are written, and their limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of the backups; created by the first one.
    pub directory: PathBuf,
    /// The longest time of a backup. While it runs, the files of the stores grow by everything that is written to them.
    pub time_limit: Duration,
    /// The bytes that a backup leaves free on the disk of the stores.
    pub reserve: u64,
    /// The directory of the stores.
    pub stores: PathBuf,
    /// The file of the inventory in a data directory.
    pub inventory: &'static str,
}

/// A store besides the inventory.
pub struct Companion {
    /// Its file in a data directory.
    pub file: &'static str,
    /// An empty file beside it in the backup.
    pub mark: String,
    /// Reads its present state; `None` if it does not exist. May block.
    pub take: Box<dyn Fn() -> Result<Option<Snapshot>, String> + Send + Sync>,
}

/// Writes backups. Clones share the limit of one backup at a time.
#[derive(Clone, Debug)]
pub struct Backups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    services: Services,
    companion: Option<Companion>,
    directory: Directory,
    metrics: Metrics,
    running: Arc<Semaphore>,
    /// Held while files of the directory are written or removed.
    files: Mutex<()>,
    background: Handle,
    stop: CancellationToken,
}

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The time that it took.
    pub took: Duration,
}

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
    fn failed(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }
}

impl Backups {
    /// Prepares backups, and removes what a crash left of one. Backups end when `stop` is cancelled; `background` has the threads of
    /// low priority.
    #[must_use]
    pub fn new(
        config: Config,
        services: &Services,
        companion: Option<Companion>,
        background: Handle,
        stop: CancellationToken,
    ) -> Self {
        let companions = companion.iter();
        let files = companions.flat_map(|it| [it.file.to_owned(), it.mark.clone()]);
        let files = files.chain([config.inventory.to_owned()]).collect();
        let shared = Arc::new(Shared {
            directory: Directory {
                path: config.directory.clone(),
                files,
            },
            metrics: Metrics::new(&services.metrics),
            config,
            services: services.clone(),
            companion,
            running: Arc::new(Semaphore::new(1)),
            files: Mutex::default(),
            background,
            stop,
        });
        let cleaning = Arc::clone(&shared);
        drop(shared.background.spawn_blocking(move || {
            let _files = cleaning.files.lock();
            cleaning.clean();
        }));
        Self(shared)
    }

    /// Writes a backup of this name, or of one made from the time.
    ///
    /// # Errors
    /// See [`Error`]. Nothing is left of the backup.
    pub async fn write(&self, name: Option<&str>) -> Result<Written, Error> {
        let shared = &self.0;
        let name = match name {
            Some(name) => Name::parse(name)?,
            None => Name::at(shared.services.wall()),
        };
        let running = Arc::clone(&shared.running).try_acquire_owned();
        let running = running.map_err(|_no_permit| Error::Running)?;
        let written = shared.write(&name, running).await;
        match &written {
            Ok(written) => {
                let Written {
                    path, bytes, took, ..
                } = written;
                let (path, seconds) = (path.display(), took.as_secs_f64());
                tracing::info!(%path, bytes, seconds, "backup of the store written");
                shared.metrics.succeeded(shared.services.wall());
            }
            Err(Error::Exists) => {}
            Err(error) => {
                tracing::warn!(name = name.as_str(), %error, "backup of the store failed");
                shared.metrics.failed();
            }
        }
        written
    }
}

impl Shared {
    async fn write(
        self: &Arc<Self>,
        name: &Name,
        running: OwnedSemaphorePermit,
    ) -> Result<Written, Error> {
        let _shown = self.metrics.running();
        let begun = self.services.core.clock.now();
        let inventory = tokio::select! {
            inventory = self.services.register.snapshot() => inventory,
            () = self.stop.cancelled() => return Err(Error::Stopping),
        };
        let inventory = inventory.map_err(Error::Failed)?.ok_or_else(|| {
            Error::Failed("the store of this collector has no snapshots".to_owned())
        })?;
        let (shared, copied) = (Arc::clone(self), name.clone());
        let copying = self.background.spawn_blocking(move || {
            let _running = running;
            shared.copy(&copied, inventory, begun)
        });
        let (path, bytes) = copying.await.map_err(|error| match error.is_panic() {
            true => Error::Failed("a thread panicked: the log has the reason".to_owned()),
            false => Error::Stopping,
        })??;
        Ok(Written {
            name: name.as_str().to_owned(),
            path,
            bytes,
            took: self.services.core.clock.now().since(begun),
        })
    }

    /// Copies the stores. Blocks.
    fn copy(
        &self,
        name: &Name,
        inventory: Snapshot,
        begun: Moment,
    ) -> Result<(PathBuf, u64), Error> {
        let _files = self.files.lock();
        self.clean();
        let part = self.directory.begin(name)?;
        tracing::info!(name = name.as_str(), "backup of the store begins");
        let failed = |error: io::Error| Error::failed(&self.directory.path, &error);
        if let Some(companion) = &self.companion
            && let Some(snapshot) = (companion.take)().map_err(Error::Failed)?
        {
            part.create(&companion.mark).map_err(failed)?;
            self.copy_store(&part, companion.file, snapshot, begun)?;
        }
        self.copy_store(&part, self.config.inventory, inventory, begun)?;
        part.keep().map_err(failed)
    }

    fn copy_store(
        &self,
        part: &Part,
        file: &str,
        snapshot: Snapshot,
        begun: Moment,
    ) -> Result<(), Error> {
        let mut obstacle = None;
        let mut goes_on = || {
            obstacle = self.obstacle(begun);
            obstacle.is_none()
        };
        let copied = snapshot.write(&part.file(file), &mut goes_on);
        copied.map_err(|error| match (error, obstacle) {
            (SnapshotError::Ended, Some(obstacle)) => obstacle,
            (error @ SnapshotError::Write(_), _) => Error::failed(&self.directory.path, &error),
            // A stop closes the store.
            _ if self.stop.is_cancelled() => Error::Stopping,
            (error, _) => Error::Failed(format!("{file}: {error}")),
        })
    }

    /// Why a backup that began at this time ends early.
    fn obstacle(&self, begun: Moment) -> Option<Error> {
        let Config {
            time_limit,
            reserve,
            stores,
            ..
        } = &self.config;
        if self.stop.is_cancelled() {
            return Some(Error::Stopping);
        }
        if self.services.core.clock.now().since(begun) >= *time_limit {
            let limit = format!(
                "it took longer than {time_limit:?}, the limit of storage.embedded.backup_timeout, and the store grows meanwhile"
            );
            return Some(Error::Failed(limit));
        }
        let room = self.directory.shared_room(stores)?;
        (room < *reserve).then(|| {
            let why = format!(
                "less than {reserve} bytes are free on the disk, which the store needs too; storage.embedded.backup_path chooses \
                 another one"
            );
            Error::failed(&self.directory.path, &why)
        })
    }

    /// Removes what crashes left. A failure is only logged, because it does not affect a backup.
    fn clean(&self) {
        let path = self.directory.path.display();
        match self.directory.clean() {
            Ok(0) => {}
            Ok(removed) => tracing::info!(%path, removed, "unfinished backups removed"),
            Err(error) => tracing::warn!(%path, %error, "unfinished backups cannot be removed"),
        }
    }
}

impl fmt::Debug for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companion")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
