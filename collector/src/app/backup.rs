//! Backups of the stores on the local disk.

use rollcall_admin::Backups;
use rollcall_catalog::Catalog;
use rollcall_service::{Services, backup};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::providers;
use crate::config::{Config, StorageProvider};

/// The directory of the backups in the directory of the store. A backup on another disk needs a configured directory, but only
/// this one is sure to be writable.
const DIRECTORY: &str = "backups";
/// The bytes that a backup leaves free on the disk of the store, so that the collector still registers while it is written.
const RESERVE: u64 = 64 << 20;

/// Prepares backups. `None` if the store is not on the local disk.
pub(super) fn prepare(
    config: &Config,
    services: &Services,
    catalog: Option<Catalog>,
    background: &Handle,
    stop: CancellationToken,
) -> Option<Backups> {
    if config.storage.provider != StorageProvider::Embedded {
        return None;
    }
    let embedded = &config.storage.embedded;
    let directory = match &embedded.backup_path {
        path if path.as_os_str().is_empty() => embedded.path.join(DIRECTORY),
        path => path.clone(),
    };
    let config = backup::Config {
        directory,
        most: embedded.max_backups,
        time_limit: embedded.backup_timeout,
        reserve: RESERVE,
        stores: embedded.path.clone(),
        inventory: providers::INVENTORY_FILE,
    };
    let companion = providers::companion(&config.stores, catalog);
    let background = background.clone();
    Some(Backups::new(
        config,
        services,
        Some(companion),
        background,
        stop,
    ))
}
