//! What one key alone cannot tell: rules between keys.

use std::net::Ipv6Addr;
use std::path::Path;

use super::advertise::is_wildcard;
use super::error::Problem;
use super::{Config, Endpoint, StorageProvider};
use crate::etcd;

/// Every rule that `config` breaks.
pub(super) fn validate(config: &Config) -> Vec<Problem> {
    let mut broken = liveness(config);
    broken.extend(advertised(config));
    broken.extend(listeners(config));
    broken.extend(memory(config));
    if config.storage.provider == StorageProvider::Etcd {
        let keys = [
            "storage.etcd.ca_file",
            "storage.etcd.cert_file",
            "storage.etcd.key_file",
        ];
        broken.extend(certificates(keys, &config.storage.etcd));
    }
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

/// What an etcd is reached with; the keys are those of its files.
fn certificates(
    [ca_file, cert_file, key_file]: [&'static str; 3],
    config: &etcd::Config,
) -> Broken {
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    let mut broken = Broken::new();
    let needs_authority = config.endpoints.iter().any(|it| it.starts_with("https://"));
    if (needs_authority || is_set(&config.cert_file)) && !is_set(&config.ca_file) {
        broken.push((
            ca_file,
            "is needed for TLS: the authority that signed etcd's certificates".to_owned(),
        ));
    }
    if is_set(&config.ca_file) && config.endpoints.iter().any(|it| it.starts_with("http://")) {
        broken.push((
            ca_file,
            "is for TLS, and an endpoint begins with http://".to_owned(),
        ));
    }
    match (is_set(&config.cert_file), is_set(&config.key_file)) {
        (true, false) => broken.push((key_file, "has to be given with the certificate".to_owned())),
        (false, true) => broken.push((cert_file, "has to be given with the key".to_owned())),
        _ => {}
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
