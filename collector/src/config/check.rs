//! What one key alone cannot tell: rules between keys.

use std::net::Ipv6Addr;

use super::advertise::is_wildcard;
use super::error::Problem;
use super::{Config, Endpoint};

/// Every rule that `config` breaks.
pub(super) fn validate(config: &Config) -> Vec<Problem> {
    let mut broken = liveness(config);
    broken.extend(advertised(config));
    broken.extend(listeners(config));
    broken.extend(memory(config));
    broken
        .into_iter()
        .map(|(key, message)| Problem {
            origin: None,
            key: key.to_owned(),
            message,
        })
        .collect()
}

type Broken = Vec<(&'static str, String)>;

fn liveness(config: &Config) -> Broken {
    let liveness = &config.liveness;
    let mut broken = Broken::new();
    if liveness.down_after <= liveness.silent_after {
        broken.push((
            "liveness.default.down_after",
            "has to be longer than liveness.default.silent_after".to_owned(),
        ));
    }
    if liveness.tick > liveness.silent_after {
        broken.push((
            "liveness.default.tick",
            "has to be at most liveness.default.silent_after".to_owned(),
        ));
    }
    broken
}

fn advertised(config: &Config) -> Broken {
    let hosts = [
        (
            "remote.gRPC.advertised_host",
            &config.remote.advertised_host,
        ),
        (
            "agent_gRPC.gRPC.advertised_host",
            &config.agent_grpc.advertised_host,
        ),
        (
            "agent_jetty.jetty.advertised_host",
            &config.agent_jetty.advertised_host,
        ),
        ("ui.jetty.advertised_host", &config.ui.advertised_host),
    ];
    let mut broken = Broken::new();
    for (key, host) in hosts {
        if is_wildcard(host) {
            broken.push((
                key,
                format!("{host} is no address that others could connect to"),
            ));
        } else if key.starts_with("agent_gRPC") && host.parse::<Ipv6Addr>().is_ok() {
            broken.push((
                key,
                format!(
                    "agents take {host} apart at its first colon: give a name or an IPv4 address"
                ),
            ));
        }
    }
    broken
}

/// Equal endpoints share a listener; a wildcard and another host on one port would only fight for it.
fn listeners(config: &Config) -> Broken {
    let faces = [
        ("naming.jetty.host", &config.naming.listen),
        ("remote.gRPC.host", &config.remote.listen),
        ("agent_gRPC.gRPC.host", &config.agent_grpc.listen),
        ("agent_jetty.jetty.host", &config.agent_jetty.listen),
        ("ui.jetty.host", &config.ui.listen),
    ];
    let clash = |one: &Endpoint, other: &Endpoint| {
        one.port != 0
            && one.port == other.port
            && one.host != other.host
            && is_wildcard(&one.host) != is_wildcard(&other.host)
    };
    let mut broken = Broken::new();
    for (at, (key, one)) in faces.iter().enumerate() {
        for (other_key, other) in faces
            .iter()
            .skip(at + 1)
            .filter(|(_, other)| clash(one, other))
        {
            let message = format!(
                "{} and {other_key} {} cannot both have port {}: write the same host",
                one.host, other.host, one.port
            );
            broken.push((key, message));
        }
    }
    broken
}

fn memory(config: &Config) -> Broken {
    let sizes = [
        (
            "agent_gRPC.gRPC.max_message_size",
            config.agent_grpc.max_message_size,
        ),
        (
            "agent_jetty.jetty.max_body_size",
            config.agent_jetty.max_body_size,
        ),
    ];
    let too_large = sizes
        .into_iter()
        .filter(|(_, size)| *size > config.server.inbound_memory);
    too_large
        .map(|(key, _)| {
            (
                key,
                "has to be at most server.default.inbound_memory".to_owned(),
            )
        })
        .collect()
}
