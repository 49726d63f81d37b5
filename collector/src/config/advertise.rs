//! Determines the advertised hosts. An advertised host is never a wildcard, because no peer can connect to a wildcard.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use super::error::Problem;
use super::keys::KEYS;
use super::{Config, Origins};

/// The result of detecting this machine's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// The address at which other machines reach this one.
    Address(IpAddr),
    /// The machine has several addresses, and none is preferred.
    Several(Vec<IpAddr>),
    /// The machine has only loopback addresses.
    None,
}

/// Fills in every empty advertised host with the host to listen on, or with the result of `detect` if that is a wildcard.
pub(super) fn complete(
    config: &mut Config,
    detect: impl Fn() -> Detected,
    origins: &Origins,
) -> Vec<Problem> {
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
    let nacos = config.nacos.is_on().then_some((
        "nacos.default",
        &config.nacos.listen,
        &mut config.nacos.advertised_host,
    ));
    let mut problems = Vec::new();
    let mut detected = None;
    for (path, listen, advertised) in faces.into_iter().chain(nacos) {
        if !advertised.is_empty() {
            continue;
        }
        if !is_wildcard(&listen.host) {
            advertised.clone_from(&listen.host);
            continue;
        }
        let detected = detected.get_or_insert_with(&detect);
        if let Detected::Address(address) = detected {
            *advertised = address.to_string();
            continue;
        }
        let message = unknown(path, &listen.host, detected);
        let own = format!("{path}.host");
        problems.push(origins.problem(&[&own], message));
    }
    problems
}

/// The message about a face whose advertised host is unknown.
fn unknown(path: &str, host: &str, detected: &Detected) -> String {
    let why = match detected {
        Detected::Several(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!(
                "this machine has several addresses ({})",
                addresses.join(", ")
            )
        }
        Detected::Address(_) | Detected::None => {
            "this machine has no address but its own loopback".to_owned()
        }
    };
    let key = format!("{path}.advertised_host");
    let variable = KEYS.iter().find(|it| it.path() == key);
    let variable = variable.map_or("", |it| it.env);
    format!(
        "{host} is not an address that other machines can connect to, and {why}: set {key} ({variable}) to the one that they use"
    )
}

/// Whether `host` means every address of the machine.
pub(super) fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified())
}

/// The address from which this machine reaches other machines. Without a default route, the only address of its interfaces.
#[must_use]
pub fn detect() -> Detected {
    if let Some(address) = routed() {
        return Detected::Address(address);
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    choose(interfaces.iter().map(if_addrs::Interface::ip))
}

/// Queries the routing table by connecting a UDP socket, which sends nothing. The peer is an address reserved for
/// documentation (RFC 5737).
fn routed() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

/// Selects the address to advertise among those of the interfaces. IPv4 has precedence, because agents of 3.x and 5.x cannot
/// parse IPv6.
pub(super) fn choose(addresses: impl Iterator<Item = IpAddr>) -> Detected {
    let is_usable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let mut usable: Vec<IpAddr> = addresses.filter(is_usable).collect();
    if usable.iter().any(IpAddr::is_ipv4) {
        usable.retain(IpAddr::is_ipv4);
    }
    usable.sort_unstable();
    usable.dedup();
    match usable[..] {
        [] => Detected::None,
        [only] => Detected::Address(only),
        _ => Detected::Several(usable),
    }
}
