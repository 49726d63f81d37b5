//! Backups of the stores on the local disk, while the collector runs.
//!
//! A backup is a data directory with a copy of each store: its state between two commits, at some time after the call began. So it
//! has every id that a caller received before the call. A thread of low priority copies the stores, in steps that can be ended. One
//! backup is written at a time.
//!
//! Left out: the journal of events, and that of ephemeral Nacos instances. A copy of the latter could lack changes that its store
//! has already, so the backup marks it as incomplete, and the start on the backup waits until the clients have registered again.

mod directory;
mod error;
mod metrics;
#[cfg(test)]
mod tests;

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::Moment;
use rollcall_storage::{Snapshot, SnapshotError};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
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
    /// The most finished backups in the directory.
    pub most: usize,
    /// The longest time of a backup. While it runs, the files of the stores grow by everything that is written to them.
    pub time_limit: Duration,
    /// The bytes that a backup leaves free on the disk of the stores. A backup on another disk leaves half of what is free there, if
    /// that is less.
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

/// The limits of a backup that is being written.
#[derive(Clone, Copy, Debug)]
struct Limits {
    begun: Moment,
    /// Whether it is on the disk of the stores.
    is_beside: bool,
    /// The bytes that it leaves free on the disk of the stores.
    least_room: u64,
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
                inventory: config.inventory,
                most: config.most,
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
            cleaning.find_last();
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
        let limits = self.limits(begun);
        tracing::info!(name = name.as_str(), "backup of the store begins");
        let failed = |error: io::Error| Error::failed(&self.directory.path, &error);
        if let Some(companion) = &self.companion
            && let Some(snapshot) = (companion.take)().map_err(Error::Failed)?
        {
            part.create(&companion.mark).map_err(failed)?;
            self.copy_store(&part, companion.file, snapshot, &limits)?;
        }
        self.copy_store(&part, self.config.inventory, inventory, &limits)?;
        part.keep().map_err(failed)
    }

    fn copy_store(
        &self,
        part: &Part,
        file: &str,
        snapshot: Snapshot,
        limits: &Limits,
    ) -> Result<(), Error> {
        let mut obstacle = None;
        let mut goes_on = || {
            obstacle = self.obstacle(limits);
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

    /// The limits of a backup that began at this time. The stores keep their old pages while it is written, so it takes room on their
    /// disk from wherever it is.
    fn limits(&self, begun: Moment) -> Limits {
        let Config {
            reserve, stores, ..
        } = &self.config;
        let is_beside = self.directory.is_on_disk_of(stores);
        let half = || directory::room(stores).map_or(0, |room| room / 2);
        let least_room = match is_beside {
            true => *reserve,
            false => half().min(*reserve),
        };
        Limits {
            begun,
            is_beside,
            least_room,
        }
    }

    /// Why a backup with these limits ends early.
    fn obstacle(&self, limits: &Limits) -> Option<Error> {
        let Config {
            time_limit, stores, ..
        } = &self.config;
        let Limits {
            begun,
            is_beside,
            least_room,
        } = *limits;
        if self.stop.is_cancelled() {
            return Some(Error::Stopping);
        }
        if self.services.core.clock.now().since(begun) >= *time_limit {
            let limit = format!(
                "it took longer than {time_limit:?}, the limit of storage.embedded.backup_timeout, and the store grows meanwhile"
            );
            return Some(Error::Failed(limit));
        }
        let room = directory::room(stores)?;
        (room < least_room).then(|| {
            let advice = match is_beside {
                true => "storage.embedded.backup_path chooses another disk for backups",
                false => {
                    "the store grows while a backup is written, wherever that is: free some space"
                }
            };
            let why =
                format!("less than {least_room} bytes are free on the disk of the store; {advice}");
            Error::failed(stores, &why)
        })
    }

    /// Finds the last backup of an earlier run. A failure is only logged, because the next backup finds it too.
    fn find_last(&self) {
        match self.directory.finished() {
            Ok(finished) => {
                if let Some((written, _)) = finished.last() {
                    self.metrics.succeeded(*written);
                }
            }
            Err(error) => {
                let path = self.directory.path.display();
                tracing::warn!(%path, %error, "the directory of the backups cannot be read");
            }
        }
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
