//! What one key alone cannot tell: rules between keys.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use super::advertise::is_wildcard;
use super::error::Problem;
use super::{ClusterProvider, Config, Endpoint, StorageProvider};
use crate::etcd;

/// Every rule that `config` breaks.
pub(super) fn validate(config: &Config) -> Vec<Problem> {
    let mut broken = liveness(config);
    broken.extend(advertised(config));
    broken.extend(listeners(config));
    broken.extend(memory(config));
    broken.extend(one_store(config));
    broken.extend(etcd(config));
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
            &config.remote.advertised.host,
        ),
        (
            "agent_gRPC.gRPC.advertised_host",
            &config.agent_grpc.advertised.host,
        ),
        (
            "agent_jetty.jetty.advertised_host",
            &config.agent_jetty.advertised.host,
        ),
        ("ui.jetty.advertised_host", &config.ui.advertised.host),
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

/// Several collectors with a store each would give one id to two names.
fn one_store(config: &Config) -> Broken {
    let is_cluster = config.cluster.provider != ClusterProvider::Standalone;
    if !is_cluster || config.storage.provider != StorageProvider::Embedded {
        return Broken::new();
    }
    vec![(
        "storage.embedded",
        "is the store of one collector, and a cluster needs one that all share: use etcd (SW_STORAGE=etcd), also beside \
         ZooKeeper"
            .to_owned(),
    )]
}

fn etcd(config: &Config) -> Broken {
    let mut broken = Broken::new();
    if config.cluster.provider == ClusterProvider::Etcd {
        let term = config.cluster.lease_term;
        if term.subsec_millis() != 0 || term < SHORTEST_LEASE {
            let message = format!("has to be whole seconds, at least {SHORTEST_LEASE:?}");
            broken.push(("cluster.etcd.lease_term", message));
        }
        broken.extend(connection("cluster.etcd", &config.cluster.etcd));
    }
    if config.storage.provider == StorageProvider::Etcd {
        broken.extend(connection("storage.etcd", &config.storage.etcd));
    }
    broken
}

/// What etcd grants at the least, as it is set by default.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// The rules of the etcd that is configured at `path`.
fn connection(path: &'static str, etcd: &etcd::Config) -> Broken {
    let is_set = |file: &Path| !file.as_os_str().is_empty();
    let any = |scheme| {
        let mut endpoints = etcd.endpoints.iter();
        endpoints.any(|endpoint| endpoint.starts_with(scheme))
    };
    let [has_authority, has_certificate, has_key] =
        [&etcd.ca_file, &etcd.cert_file, &etcd.key_file].map(|file| is_set(file));
    let rules = [
        (
            !has_authority && (any("https://") || has_certificate),
            "needs a ca_file for TLS: the authority that signed etcd's certificates",
        ),
        (
            has_authority && any("http://"),
            "has a ca_file, which is for TLS, and an endpoint that begins with http://",
        ),
        (
            has_certificate != has_key,
            "needs cert_file and key_file together",
        ),
        (
            etcd.user.is_empty() != etcd.password.expose().is_empty(),
            "needs user and password together",
        ),
    ];
    let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
    broken
        .map(|(_, message)| (path, message.to_owned()))
        .collect()
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
