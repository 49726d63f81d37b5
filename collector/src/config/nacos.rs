//! `nacos.default`: the Nacos faces and their catalog.

use std::{path::PathBuf, time::Duration};

use super::{Endpoint, Secret};

/// Stands for the private ranges of addresses, and loopback, in `probe_ranges`.
pub const PRIVATE: &str = "private";

/// How far the gRPC port is above the HTTP port where clients derive it.
const GRPC_OFFSET: u16 = 1000;

/// `nacos`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nacos {
    /// Whether there are Nacos faces.
    pub provider: NacosProvider,
    /// Where 1.x, 2.x and 3.x clients call over HTTP.
    pub listen: Endpoint,
    /// The port of gRPC; `None`: the HTTP port + 1000, which clients assume.
    pub grpc_port: Option<u16>,
    /// The port that datagrams are sent from; `None`: the number of the HTTP port.
    pub udp_port: Option<u16>,
    /// The prefix of every HTTP path, such as `/nacos`.
    pub context_path: String,
    /// The host that clients are given in lists of servers; empty: the one that is listened on.
    pub advertised_host: String,
    /// The largest HTTP body and the largest gRPC message, in bytes.
    pub max_message_size: usize,
    /// The file of users; empty: callers need not say who they are.
    pub users_file: PathBuf,
    /// What signs tokens; empty: drawn at the first start, and kept in the store.
    pub token_secret: Secret,
    /// How long a token is valid.
    pub token_ttl: Duration,
    /// Whether callers need not say who they are on other addresses than loopback.
    pub allow_anonymous: bool,
    /// Between two pushes of one service.
    pub push_window: Duration,
    /// How long a push waits for its acknowledgement.
    pub push_timeout: Duration,
    /// How often in a row a push without an acknowledgement is repeated.
    pub push_retries: usize,
    /// After this long without a message a gRPC client is asked whether it is there.
    pub idle_after: Duration,
    /// How long it may take to answer.
    pub detection_timeout: Duration,
    /// How long reads are refused after a start that found no recent roster.
    pub warm_up: Duration,
    /// The most services.
    pub max_services: usize,
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
    /// The most bytes of encoded lists that are kept.
    pub body_cache: usize,
    /// How long an override survives its instance.
    pub override_term: Duration,
    /// How long a service stays without instances.
    pub empty_service_term: Duration,
    /// The addresses that may be probed, as ranges, or `private`.
    pub probe_ranges: Vec<String>,
    /// The most probes under way.
    pub max_probes: usize,
    /// The most changes that wait for the store.
    pub write_queue: usize,
}

/// The implementations of `nacos`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NacosProvider {
    /// The faces.
    #[default]
    Default,
    /// No faces.
    None,
}

impl Nacos {
    /// Whether there are Nacos faces.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.provider == NacosProvider::Default
    }

    /// Where gRPC is listened on.
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
