//! `nacos.default`: the Nacos faces and their catalog.

use std::{path::PathBuf, time::Duration};

use super::{Endpoint, Mode, Secret};

/// The name of the private address ranges and loopback in `probe_ranges`.
pub const PRIVATE: &str = "private";

/// The offset of the gRPC port from the HTTP port that clients assume.
const GRPC_OFFSET: u16 = 1000;

/// `nacos`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nacos {
    /// Whether there are Nacos faces.
    pub provider: NacosProvider,
    /// The HTTP endpoint for 1.x, 2.x and 3.x clients.
    pub listen: Endpoint,
    /// The TLS of both ports.
    pub tls: Mode,
    /// The port of gRPC; `None`: the HTTP port + 1000, which clients assume.
    pub grpc_port: Option<u16>,
    /// The source port of datagrams; `None`: the number of the HTTP port.
    pub udp_port: Option<u16>,
    /// The prefix of every HTTP path, such as `/nacos`.
    pub context_path: String,
    /// The host in the lists of servers that clients request; empty: the host to listen on.
    pub advertised_host: String,
    /// The largest HTTP body and the largest gRPC message, in bytes.
    pub max_message_size: usize,
    /// The file of users; empty: callers need not sign in.
    pub users_file: PathBuf,
    /// The secret that signs tokens; empty: generated at the first start, and kept in the store.
    pub token_secret: Secret,
    /// The validity of a token.
    pub token_ttl: Duration,
    /// Whether callers need not sign in on addresses other than loopback.
    pub allow_anonymous: bool,
    /// The shortest interval between two pushes of one service.
    pub push_window: Duration,
    /// The time limit for the acknowledgement of a push.
    pub push_timeout: Duration,
    /// The number of times that a push without an acknowledgement is repeated.
    pub push_retries: usize,
    /// The time without a message after which a gRPC client is probed.
    pub idle_after: Duration,
    /// The time limit for the answer to that probe.
    pub detection_timeout: Duration,
    /// The time after a start without a recent roster in which reads are refused.
    pub warm_up: Duration,
    /// Whether every start refuses reads for that time.
    pub always_warm_up: bool,
    /// The time for which the instances of a collector that has left the cluster stay listed.
    pub member_grace: Duration,
    /// The most services.
    pub max_services: usize,
    /// The most services that are charged to one peer. `None`: see [`Nacos::services_per_peer`].
    pub max_services_per_peer: Option<usize>,
    /// The most instances of one service.
    pub max_instances_per_service: usize,
    /// The most instances of one connection.
    pub max_instances_per_connection: usize,
    /// The most subscriptions.
    pub max_subscriptions: usize,
    /// The most subscriptions of one connection.
    pub max_subscriptions_per_connection: usize,
    /// The most patterns that one connection watches.
    pub max_patterns_per_connection: usize,
    /// The most services that match a pattern.
    pub max_matches: usize,
    /// The most gRPC connections.
    pub max_connections: usize,
    /// The most namespaces.
    pub max_namespaces: usize,
    /// The most bytes of the metadata of one instance or service.
    pub max_metadata: usize,
    /// The most bytes of all services and instances.
    pub memory: usize,
    /// The most bytes of services and instances that are charged to one peer. `None`: see [`Nacos::bytes_per_peer`].
    pub memory_per_peer: Option<usize>,
    /// The most bytes of encoded lists that are kept.
    pub body_cache: usize,
    /// The time for which an override survives its instance.
    pub override_term: Duration,
    /// The time after which a service without instances is removed.
    pub empty_service_term: Duration,
    /// The addresses that may be probed, as ranges, or `private`.
    pub probe_ranges: Vec<String>,
    /// The most concurrent probes.
    pub max_probes: usize,
    /// The most changes that wait for the store.
    pub write_queue: usize,
    /// The most bytes of the journal of ephemeral instances.
    pub journal: usize,
}

/// The implementations of `nacos`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NacosProvider {
    /// Serve Nacos clients.
    #[default]
    Default,
    /// Serve no Nacos clients.
    None,
}

impl Nacos {
    /// The most services that are charged to one peer: as set, or half of all.
    #[must_use]
    pub fn services_per_peer(&self) -> usize {
        let half = (self.max_services / 2).max(1);
        self.max_services_per_peer.unwrap_or(half)
    }

    /// The most bytes that are charged to one peer: as set, or half of all.
    #[must_use]
    pub fn bytes_per_peer(&self) -> usize {
        self.memory_per_peer.unwrap_or(self.memory / 2)
    }

    /// Whether there are Nacos faces.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.provider == NacosProvider::Default
    }

    /// The endpoint of gRPC.
    #[must_use]
    pub fn grpc(&self) -> Endpoint {
        let derived = match self.listen.port {
            0 => 0,
            port => port.checked_add(GRPC_OFFSET).unwrap_or_default(),
        };
        Endpoint {
            host: self.listen.host.clone(),
            port: self.grpc_port.unwrap_or(derived),
        }
    }
}
