//! `cluster`: where a collector finds the other members.

use std::{fmt, time::Duration};

use rollcall_etcd as etcd;
use rollcall_secret::Secret;

/// `cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The implementation.
    pub provider: ClusterProvider,
    /// `cluster.etcd`: the connection to etcd. It supplies the settings that `storage.etcd` omits.
    pub etcd: etcd::Config,
    /// `cluster.etcd.lease_term`: the time without a renewal after which a collector is not a member; whole seconds.
    pub lease_term: Duration,
    /// `cluster.zookeeper`.
    pub zookeeper: Zookeeper,
}

/// The implementations of `cluster`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterProvider {
    /// One collector without a cluster.
    #[default]
    Standalone,
    /// The collectors that are registered in etcd.
    Etcd,
    /// The collectors that are registered in ZooKeeper, including upstream's.
    Zookeeper,
}

/// `cluster.zookeeper`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zookeeper {
    /// The servers of one ensemble.
    pub host_port: ConnectString,
    /// The time without a renewal after which a collector is not a member.
    pub session_timeout: Duration,
    /// The prefix of every path, below the chroot; empty for none.
    pub namespace: String,
    /// Whether to authenticate, and to create nodes that only this user may read and change.
    pub enable_acl: bool,
    /// `user:password` of the scheme `digest`.
    pub expression: Secret,
}

/// A connect string of ZooKeeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectString {
    /// Each `host:port`.
    pub servers: Vec<String>,
    /// The root of all paths, without a slash at the end; empty for none.
    pub chroot: String,
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.servers.join(","), self.chroot)
    }
}
