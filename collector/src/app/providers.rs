//! The concrete stores and coordinators, by configuration: the only file that names them.

use rollcall_cluster::{self as cluster, Cluster, Keeper, standalone::Standalone, zookeeper};
use rollcall_etcd as etcd;
use rollcall_runtime::Clock;
use rollcall_storage::{self as storage, Opened, embedded};
use tokio::runtime::Handle;

use super::Error;
use crate::config::{self, Config};

/// Opens the store without reading it. Blocks; network calls run on `runtime`.
pub(super) fn open(config: &Config, clock: Clock, runtime: &Handle) -> Result<Opened, Error> {
    let namespace = config.namespace();
    match config.storage.provider {
        config::StorageProvider::Embedded => {
            let storage = embedded::open(&embedded::Config {
                path: config.storage.embedded.path.clone(),
                namespace: namespace.to_owned(),
            })?;
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
