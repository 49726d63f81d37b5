//! Which host others are told: never a wildcard, which no peer can connect to.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use super::Config;
use super::error::Problem;

/// Fills in every advertised host that the operator left empty: the host to listen on, or for a wildcard what `detect` says.
pub(super) fn complete(config: &mut Config, detect: impl Fn() -> Option<IpAddr>) -> Vec<Problem> {
    let faces = [
        (
            "remote.gRPC",
            &config.remote.listen,
            &mut config.remote.advertised.host,
        ),
        (
            "agent_gRPC.gRPC",
            &config.agent_grpc.listen,
            &mut config.agent_grpc.advertised.host,
        ),
        (
            "agent_jetty.jetty",
            &config.agent_jetty.listen,
            &mut config.agent_jetty.advertised.host,
        ),
        (
            "ui.jetty",
            &config.ui.listen,
            &mut config.ui.advertised.host,
        ),
    ];
    let mut problems = Vec::new();
    let mut detected = None;
    for (path, listen, advertised) in faces {
        if !advertised.is_empty() {
            continue;
        }
        if !is_wildcard(&listen.host) {
            advertised.clone_from(&listen.host);
            continue;
        }
        match *detected.get_or_insert_with(&detect) {
            Some(address) => *advertised = address.to_string(),
            None => problems.push(Problem {
                origin: None,
                key: format!("{path}.advertised_host"),
                message: format!(
                    "is needed: {} is no address that others could be told, and this machine's own was not found",
                    listen.host
                ),
            }),
        }
    }
    problems
}

/// Whether `host` means every address of the machine.
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

/// The address from which this machine reaches others. Asks the routing table by connecting a UDP socket, which sends nothing;
/// the peer is an address set aside for documentation (RFC 5737).
#[must_use]
pub fn detect() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}
