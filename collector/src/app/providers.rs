//! The concrete stores and coordinators, by configuration: the only file that names them.

use std::{path::Path, sync::Arc};

use rollcall_catalog::{
    Catalog,
    store::{self, Memory, Peers, Store as _, Stores, Table},
};
use rollcall_cluster::{self as cluster, Cluster, Keeper, standalone::Standalone, zookeeper};
use rollcall_etcd as etcd;
use rollcall_keyed::{embedded::Embedded, etcd as rows, journal};
use rollcall_runtime::Clock;
use rollcall_service::backup;
use rollcall_storage::{self as storage, Opened, embedded};
use tokio::runtime::Handle;

use super::{Error, timeline};
use crate::config::{self, Config};

/// Opens the store without reading it. Blocks; network calls run on `runtime`.
pub(super) fn open(config: &Config, clock: Clock, runtime: &Handle) -> Result<Opened, Error> {
    let namespace = config.namespace();
    match config.storage.provider {
        config::StorageProvider::Embedded => {
            let store = embedded::Config {
                path: config.storage.embedded.path.clone(),
                namespace: namespace.to_owned(),
            };
            let storage = embedded::open_beside(&store, &[timeline::DIRECTORY, CATALOG_FILE])?;
            Ok(Opened {
                storage: Box::new(storage),
                watcher: None,
            })
        }
        config::StorageProvider::Etcd => {
            let client = etcd::Client::new(&config.storage.etcd)?;
            Ok(storage::etcd::open(
                client,
                clock,
                runtime.clone(),
                namespace,
            )?)
        }
    }
}

/// The name of the catalog's files, and of its part of etcd.
const CATALOG: &str = "catalog";
/// The file of the catalog's store in the data directory.
const CATALOG_FILE: &str = "catalog.redb";

/// Opens the stores of the catalog of the collector `own`. If the store is shared, the roster is kept in memory, because the
/// collectors of the cluster exchange their instances through the store, and a collector alone waits for its clients to register
/// again. Blocks; network calls run on `runtime`.
pub(super) fn open_catalog(
    config: &Config,
    own: Arc<str>,
    runtime: &Handle,
) -> Result<Stores, store::Error> {
    match config.storage.provider {
        config::StorageProvider::Embedded => open_local_catalog(&config.storage.embedded.path),
        config::StorageProvider::Etcd => {
            let client = etcd::Client::new(&config.storage.etcd)
                .map_err(|error| store::Error::Io(error.to_string()))?;
            let memory = Arc::new(Memory::default());
            let is_alone = config.cluster.provider == config::ClusterProvider::Standalone;
            let peers = (!is_alone).then(|| Peers {
                exchange: Arc::new(rows::Published::new(client.clone(), CATALOG, &own)),
                own,
            });
            Ok(Stores {
                durable: Arc::new(rows::Etcd::open(client, runtime.clone(), CATALOG)?),
                roster: Some(Arc::clone(&memory) as _),
                journal: memory,
                is_lost: false,
                peers,
            })
        }
    }
}

fn open_local_catalog(directory: &Path) -> Result<Stores, store::Error> {
    let durable = Embedded::open(directory, CATALOG)?;
    let journal = journal::File::open(directory, CATALOG)?;
    Ok(Stores {
        // The store is created before its journal, so a new store beside an existing journal shows that an earlier store was lost.
        is_lost: durable.is_new() && !journal.is_new(),
        durable: Arc::new(durable),
        roster: None,
        journal: Arc::new(journal),
        peers: None,
    })
}

/// The file of the inventory in the data directory.
pub(super) const INVENTORY_FILE: &str = embedded::STORE;

/// The store of the catalog in this data directory, for a backup. While the Nacos faces are off (`None`), nothing else uses it.
pub(super) fn companion(directory: &Path, catalog: Option<Catalog>) -> backup::Companion {
    let directory = directory.to_owned();
    let path = directory.join(CATALOG_FILE);
    let unused = move || {
        let store = Embedded::<Table>::open(&directory, CATALOG)?;
        let snapshot = store.snapshot()?;
        Ok(snapshot.map(|it| it.keeping(store)))
    };
    let take = move || match &catalog {
        Some(catalog) => catalog.snapshot().map_err(|error| error.to_string()),
        None if path.exists() => unused().map_err(|error: store::Error| {
            let path = path.display();
            format!(
                "a backup has {path} too, although nacos.selector is none: move this file \
                 elsewhere for a backup of the ids alone: {error}"
            )
        }),
        None => Ok(None),
    };
    backup::Companion {
        file: CATALOG_FILE,
        mark: journal::incomplete(CATALOG),
        take: Box::new(take),
    }
}

/// The cluster that this collector joins, and the task that keeps it a member.
pub(super) fn join_point(
    config: &config::Cluster,
) -> Result<(Box<dyn Cluster>, Option<Keeper>), etcd::ConfigError> {
    let (cluster, keeper) = match config.provider {
        config::ClusterProvider::Standalone => return Ok((Box::new(Standalone::new()), None)),
        config::ClusterProvider::Etcd => {
            let client = etcd::Client::new(&config.etcd)?;
            cluster::etcd::cluster(client, config.lease_term)
        }
        config::ClusterProvider::Zookeeper => {
            let config::Zookeeper {
                host_port,
                session_timeout,
                namespace,
                enable_acl: _,
                expression,
            } = config.zookeeper.clone();
            zookeeper::cluster(zookeeper::Config {
                servers: host_port.servers,
                session_timeout,
                root: format!("{}/{namespace}", host_port.chroot),
                credentials: expression,
            })
        }
    };
    Ok((Box::new(cluster), Some(keeper)))
}
