//! The configuration as types: one struct per component, filled from `application.yml`, the environment and the command line.
//!
//! The file has upstream's three levels `module: provider: keys` (proto/docs/skywalking.md section 5.1), so that a 3.2.6 or 5.x
//! file works unchanged. For each key, the later layer has precedence: the bundled file < the operator's file < `SW_*` variables <
//! the command line. [`load`] reports all mistakes at once. This module does not read the process environment, which is an
//! argument.

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
mod cluster;
mod document;
mod error;
mod inherited;
mod keys;
mod layers;
mod liveness;
mod load;
mod log;
mod modules;
mod nacos;
mod overlap;
mod placeholder;
mod print;
mod ranges;
mod suggest;
#[cfg(test)]
mod tests;
mod timeline;
mod tls;
mod value;
mod variables;

pub use self::advertise::{Detected, detect};
pub use self::advice::advice;
pub use self::age::MaxAge;
pub use self::cluster::{Cluster, ClusterProvider, ConnectString, Zookeeper};
pub use self::error::{Error, Problem};
pub use self::liveness::Liveness;
pub use self::load::{Loaded, Origin, Origins, Sources, load};
pub use self::log::{Log, LogFormat, parse_level};
pub use self::nacos::{Nacos, NacosProvider, PRIVATE};
pub use self::overlap::overlap;
pub use self::print::reference;
pub use self::timeline::Timeline;
pub use self::tls::{Mode, Tls};
pub use rollcall_secret::Secret;

/// The bundled file: every key with its variable and default.
pub const DEFAULTS: &str = include_str!("../config/application.yml");

/// The whole configuration. A value that [`load`] returns has passed every check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `naming.jetty`: the face on which agents request the list of collectors.
    pub naming: Naming,
    /// `remote.gRPC`: the face for other collectors.
    pub remote: Remote,
    /// `agent_gRPC.gRPC`: the face on which agents register over gRPC.
    pub agent_grpc: AgentGrpc,
    /// `agent_jetty.jetty`: the face on which agents register over HTTP.
    pub agent_jetty: AgentJetty,
    /// `ui.jetty`: the query API, probes and metrics.
    pub ui: Ui,
    /// `cluster`: the coordinator of the collectors.
    pub cluster: Cluster,
    /// `storage`: the store of the ids.
    pub storage: Storage,
    /// `register.default`: the writer of ids.
    pub register: Register,
    /// `liveness.default`: the terms of leases.
    pub liveness: Liveness,
    /// `timeline.default`.
    pub timeline: Timeline,
    /// `nacos`: the faces of Nacos clients, and their catalog.
    pub nacos: Nacos,
    /// `tls.default`: the certificate of this collector.
    pub tls: Tls,
    /// `server.default`: the limits of all listeners.
    pub server: Server,
    /// `log.default`: the form and the detail of the log.
    pub log: Log,
}

/// A host and port to listen on. Faces with equal endpoints share one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A name or an address, as configured; an IPv6 address without brackets.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// The address of an endpoint as it is published to agents and other collectors. Its name and port may differ from the bound ones,
/// for example if a port is mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address; never a wildcard.
    pub host: String,
    /// The port; `None` for the bound one.
    pub port: Option<u16>,
}

impl Advertised {
    /// `host:port`, where `bound` is the bound port.
    #[must_use]
    pub fn authority(&self, bound: u16) -> String {
        authority(&self.host, self.port.unwrap_or(bound))
    }
}

/// `host:port`, with an IPv6 address in brackets.
#[must_use]
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// `naming.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Where to listen.
    pub listen: Endpoint,
    /// Its TLS.
    pub tls: Mode,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
}

/// `remote.gRPC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Where to listen.
    pub listen: Endpoint,
    /// Its TLS.
    pub tls: Mode,
    /// The address published to other collectors.
    pub advertised: Advertised,
    /// The number of registrations that may wait for one other collector.
    pub buffer_size: usize,
}

/// `agent_gRPC.gRPC`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentGrpc {
    /// Where to listen.
    pub listen: Endpoint,
    /// Its TLS.
    pub tls: Mode,
    /// The address published to agents; never an IPv6 literal, because agents split the text at the first colon.
    pub advertised: Advertised,
    /// The largest message an agent may send, in bytes.
    pub max_message_size: usize,
    /// The most streams that follow the health of this collector.
    pub max_health_watchers: usize,
    /// The token that agents must send with every call; empty for none.
    pub authentication: Secret,
}

/// `agent_jetty.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentJetty {
    /// Where to listen.
    pub listen: Endpoint,
    /// Its TLS.
    pub tls: Mode,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
    /// The address published to agents.
    pub advertised: Advertised,
    /// The largest request body, in bytes.
    pub max_body_size: usize,
    /// The token that agents must send with every request; empty for none. The HTTP clients of 3.x and 5.x cannot send one.
    pub authentication: Secret,
}

/// `ui.jetty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Where to listen.
    pub listen: Endpoint,
    /// Its TLS.
    pub tls: Mode,
    /// The prefix of every path: `/`, or like `/rollcall` (no slash at the end).
    pub context_path: String,
    /// The address published to users.
    pub advertised: Advertised,
    /// Further names by which browsers may address it, besides its own; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// The largest page of a list, in bytes; a page that reaches the limit ends early with the cursor of the next one.
    pub max_page_size: usize,
    /// The most applications with their own series in `rollcall_instances`.
    pub max_application_metrics: usize,
    /// The most Nacos services with their own series in `rollcall_service_instances`.
    pub max_service_metrics: usize,
    /// The most subscribers of the event feed.
    pub max_event_subscribers: usize,
    /// The token that callers must send, except for the probes; empty for none.
    pub token: Secret,
    /// The name that browsers sign in with; empty for none.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whether callers need no token on addresses other than loopback.
    pub allow_anonymous: bool,
}

/// `storage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// The implementation.
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
    /// An etcd that several collectors share.
    Etcd,
}

/// `storage.embedded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embedded {
    /// The directory of the store; created if it is missing.
    pub path: PathBuf,
    /// The directory of the backups; empty: in the directory of the store.
    pub backup_path: PathBuf,
    /// The most finished backups in that directory.
    pub max_backups: usize,
    /// The longest time of a backup.
    pub backup_timeout: Duration,
}

/// `register.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The number of registrations that may wait for the writer; further ones are refused as overloaded.
    pub queue_capacity: usize,
    /// The longest time that a caller waits for its id.
    pub deadline: Duration,
    /// The most rows in one durable commit.
    pub batch_rows: usize,
    /// The longest key (application code, UUID, operation name, address), in bytes.
    pub max_name_bytes: usize,
    /// The number of ids that each dictionary may assign.
    pub max_assigned_ids: usize,
    /// The number of ids that may be adopted from agents that hold ids unknown to this collector.
    pub max_adopted_ids: usize,
    /// The number of elements that one message may have.
    pub max_batch: usize,
    /// The shortest interval between two stored changes of one instance.
    pub change_interval: Duration,
    /// The number of ids adopted from one segment, or one body of segments, besides those of its senders.
    pub max_held_per_message: usize,
    /// The number of new ids per second that one peer may cause, for each kind of call.
    pub max_new_per_peer: usize,
    /// The number of new ids that a peer may cause at once.
    pub max_new_burst_per_peer: usize,
    /// Whether and for how long ids are adopted before new ones are assigned, after a start on an empty store.
    pub listening: listening::Config,
    /// The memory for all registered entries, in bytes; `None` for half of the memory that the process may use.
    pub inventory_memory: Option<usize>,
    /// Limits on the stored properties of one instance.
    pub properties: Caps,
}

/// `server.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The limits of one listener.
    pub limits: server::Limits,
    /// Standing connections of one peer, over all listeners.
    pub max_connections_per_peer: usize,
    /// The age at which the collector requests the end of a connection.
    pub max_connection_age: MaxAge,
    /// The most bytes of request bodies held at any time, over all listeners.
    pub inbound_memory: usize,
    /// The most bytes that decoded messages and their processing may use.
    pub work_memory: usize,
    /// The most bytes of answers that wait for their peers, over all listeners.
    pub outbound_memory: usize,
    /// The most bytes that connections and streams may use besides bodies and answers, over all listeners.
    pub connection_memory: usize,
    /// The time that requests in progress get to finish when the collector stops.
    pub shutdown_grace: Duration,
}

impl Config {
    /// The namespace of this collector and its store, which is that of the cluster in use; empty for none.
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
    /// Whether one listener serves the faces at these two endpoints. If the port is 0, each face gets a separate port.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.port != 0 && self == other
    }
}
