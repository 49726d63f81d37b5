use std::net::SocketAddr;

use super::free_addresses;

/// The addresses of a collector's listeners.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listeners {
    /// The HTTP endpoints that list collectors: the addresses in an agent's `collector.servers`.
    pub naming: SocketAddr,
    /// The listener for other collectors, whose address identifies the member.
    pub remote: SocketAddr,
    /// Registration over gRPC.
    pub grpc: SocketAddr,
    /// Registration over HTTP.
    pub jetty: SocketAddr,
    /// Probes, metrics, the query API and the console.
    pub ui: SocketAddr,
}

impl Default for Listeners {
    fn default() -> Self {
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            naming: unbound,
            remote: unbound,
            grpc: unbound,
            jetty: unbound,
            ui: unbound,
        }
    }
}

impl Listeners {
    /// Free addresses, which the collector can bind again after a restart.
    pub(super) fn free() -> Self {
        let [naming, remote, grpc, jetty, ui] = free_addresses();
        Self {
            naming,
            remote,
            grpc,
            jetty,
            ui,
        }
    }
}
