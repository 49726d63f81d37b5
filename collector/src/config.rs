//! What an operator can decide, as types: one struct per component, filled from `application.yml`, the environment and the
//! command line.
//!
//! The file has upstream's three levels `module: provider: keys` (proto/docs/skywalking.md section 5.1), so that a 3.2.6 or
//! 5.x file works as it is. Layers, the later wins, key by key: the bundled file < the operator's file < `SW_*` variables <
//! the command line. All mistakes are found in one go. Nothing here touches the process environment: it is an argument.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use rollcall_domain::properties::Caps;
use rollcall_etcd as etcd;
use rollcall_server as server;
use rollcall_service::listening;

mod advertise;
mod advice;
mod age;
mod check;
mod document;
mod error;
mod keys;
mod layers;
mod load;
mod modules;
mod nacos;
mod placeholder;
mod print;
mod ranges;
mod suggest;
#[cfg(test)]
mod tests;
mod value;
mod variables;

pub use self::advertise::{Detected, detect};
pub use self::advice::advice;
pub use self::age::MaxAge;
pub use self::error::{Error, Problem};
pub use self::load::{Loaded, Origin, Origins, Sources, load};
pub use self::nacos::{Nacos, NacosProvider, PRIVATE};
pub use self::print::reference;
pub use rollcall_secret::Secret;

/// The bundled file: every key with its variable and default.
pub const DEFAULTS: &str = include_str!("../config/application.yml");

/// Everything an operator can decide. Made by [`load`]; a value that came from there has passed every check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `naming.jetty`: where agents ask for the list of collectors.
    pub naming: Naming,
    /// `remote.gRPC`: where other collectors reach this one.
    pub remote: Remote,
    /// `agent_gRPC.gRPC`: where agents register over gRPC.
    pub agent_grpc: AgentGrpc,
    /// `agent_jetty.jetty`: where agents register over HTTP.
    pub agent_jetty: AgentJetty,
    /// `ui.jetty`: console, query API, probes and metrics.
    pub ui: Ui,
    /// `cluster`: who the other collectors are.
    pub cluster: Cluster,
    /// `storage`: where ids are kept.
    pub storage: Storage,
    /// `register.default`: the writer of ids.
    pub register: Register,
    /// `liveness.default`: who counts as alive.
    pub liveness: Liveness,
    /// `nacos`: the faces of Nacos clients, and their catalog.
    pub nacos: Nacos,
    /// `server.default`: what every listener refuses to exceed.
    pub server: Server,
}

/// A host and port to listen on. Faces with equal endpoints share one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A name or an address, as the operator wrote it; an IPv6 address without brackets.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// What others are told of an endpoint, who may reach it by another name or through a mapped port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address; never a wildcard.
    pub host: String,
    /// The port; `None` for the one that is listened on.
    pub port: Option<u16>,
}

impl Advertised {
    /// `host:port`, where `bound` is the port that is listened on.
    #[must_use]
    pub fn authority(&self, bound: u16) -> String {
        let port = self.port.unwrap_or(bound);
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{port}"),
            Err(_) => format!("{}:{port}", self.host),
        }
    }
}

/// `naming.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Where to listen.
    pub listen: Endpoint,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
}

/// `remote.gRPC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Where to listen.
    pub listen: Endpoint,
    /// Where other collectors are told to connect to.
    pub advertised: Advertised,
    /// How many registrations may wait for one other collector.
    pub buffer_size: usize,
}

/// `agent_gRPC.gRPC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentGrpc {
    /// Where to listen.
    pub listen: Endpoint,
    /// Where agents are told to connect to; never an IPv6 literal (they split at the first colon).
    pub advertised: Advertised,
    /// The largest message an agent may send, in bytes.
    pub max_message_size: usize,
    /// What agents have to send with every call; empty for nothing.
    pub authentication: Secret,
}

/// `agent_jetty.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentJetty {
    /// Where to listen.
    pub listen: Endpoint,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
    /// Where agents are told to connect to.
    pub advertised: Advertised,
    /// The largest request body, in bytes.
    pub max_body_size: usize,
    /// What agents have to send with every request; empty for nothing, as their HTTP clients of 3.x and 5.x cannot.
    pub authentication: Secret,
}

/// `ui.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Where to listen.
    pub listen: Endpoint,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
    /// Where people are told to look.
    pub advertised: Advertised,
    /// Names by which browsers may address it beside those that it has anyway; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// The largest page of a list, in bytes; it ends early and says where it goes on.
    pub max_page_size: usize,
}

/// `cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Which implementation.
    pub provider: ClusterProvider,
    /// `cluster.etcd`: where it is. What the storage's leaves out is the same there.
    pub etcd: etcd::Config,
    /// `cluster.etcd.lease_term`: how long a collector that is not heard of stays a member; whole seconds.
    pub lease_term: Duration,
    /// `cluster.zookeeper`.
    pub zookeeper: Zookeeper,
}

/// The implementations of `cluster`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterProvider {
    /// One collector, alone.
    #[default]
    Standalone,
    /// The collectors that are registered in etcd.
    Etcd,
    /// The collectors that are registered in ZooKeeper, upstream's too.
    Zookeeper,
}

/// `cluster.zookeeper`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zookeeper {
    /// The servers of one ensemble.
    pub host_port: ConnectString,
    /// How long a collector that is not heard of stays a member.
    pub session_timeout: Duration,
    /// Put in front of every path, below the chroot; empty for nothing.
    pub namespace: String,
    /// Whether to authenticate, and to create nodes that this user alone may read and change.
    pub enable_acl: bool,
    /// `user:password` of the scheme `digest`.
    pub expression: Secret,
}

/// What ZooKeeper calls a connect string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectString {
    /// Each `host:port`.
    pub servers: Vec<String>,
    /// The path that all others are below, without a slash at the end; empty for none.
    pub chroot: String,
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.servers.join(","), self.chroot)
    }
}

/// `storage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Which implementation.
    pub provider: StorageProvider,
    /// `storage.embedded`.
    pub embedded: Embedded,
    /// `storage.etcd`.
    pub etcd: etcd::Config,
}

/// The implementations of `storage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageProvider {
    /// Files in a directory of this machine.
    #[default]
    Embedded,
    /// An etcd, which several collectors share.
    Etcd,
}

/// `storage.embedded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embedded {
    /// The directory of the store; made if it is missing.
    pub path: PathBuf,
}

/// `register.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// How many registrations may wait for the writer; one more is answered as overloaded.
    pub queue_capacity: usize,
    /// How long a caller waits for its id.
    pub deadline: Duration,
    /// The most rows in one durable commit.
    pub batch_rows: usize,
    /// The longest key (application code, UUID, operation name, address), in bytes.
    pub max_name_bytes: usize,
    /// How many ids each dictionary may assign.
    pub max_assigned_ids: usize,
    /// How many ids may be adopted from agents that know ids this collector does not.
    pub max_adopted_ids: usize,
    /// How many elements one message may have.
    pub max_batch: usize,
    /// The time between two changes of what is stored of one instance.
    pub change_interval: Duration,
    /// How many ids one segment, or one body of segments, may have adopted beside those of its senders.
    pub max_held_per_message: usize,
    /// How many new ids one peer may cause in a second, for each kind of call.
    pub max_new_per_peer: usize,
    /// How many new ids a peer may cause at once.
    pub max_new_burst_per_peer: usize,
    /// Whether ids are adopted before new ones are drawn, after a start on an empty store.
    pub listening: listening::Config,
    /// The memory for everything that is registered, in bytes; `None` for half of what the process may use.
    pub inventory_memory: Option<usize>,
    /// What is kept of the properties of one instance.
    pub properties: Caps,
}

/// `liveness.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// An instance not heard of for this long is silent.
    pub silent_after: Duration,
    /// An instance not heard of for this long is down.
    pub down_after: Duration,
    /// How often expired leases are looked for.
    pub tick: Duration,
    /// The most leases that expire in one tick; the rest waits for the next.
    pub max_expired_per_tick: usize,
    /// After a start every lease has its full term plus a random part of this.
    pub restart_spread: Duration,
    /// After this long down or left an instance is in no count and no list any more.
    pub forget_after: Duration,
    /// How often the times of the last signs of life are stored.
    pub write_back_interval: Duration,
}

/// `server.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// What one listener allows its peers.
    pub limits: server::Limits,
    /// Standing connections of one peer, over all listeners.
    pub max_connections_per_peer: usize,
    /// The age at which a connection is asked to end.
    pub max_connection_age: MaxAge,
    /// The most bytes of request bodies held at any time, over all listeners.
    pub inbound_memory: usize,
    /// The most bytes that decoded messages and the work on them may take.
    pub work_memory: usize,
    /// The most bytes of answers that wait for their peers, over all listeners.
    pub outbound_memory: usize,
    /// The most bytes that connections and streams may cost beside bodies and answers, over all listeners.
    pub connection_memory: usize,
    /// How long requests under way may take to finish when the collector stops.
    pub shutdown_grace: Duration,
}

impl Config {
    /// The namespace of this collector and of its store: that of the cluster in use; empty for none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let namespace = match self.cluster.provider {
            ClusterProvider::Zookeeper => &self.cluster.zookeeper.namespace,
            ClusterProvider::Standalone | ClusterProvider::Etcd => &self.cluster.etcd.namespace,
        };
        namespace.trim_matches('/')
    }
}

impl Endpoint {
    /// Whether faces at these two endpoints are served by one listener. With port 0 each face gets a port of its own.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.port != 0 && self == other
    }
}
