//! Checks the rules between keys.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use rollcall_etcd as etcd;

use super::advertise::is_wildcard;
use super::error::{Broken, Problem};
use super::value::print_duration;
use super::{ClusterProvider, Config, Endpoint, Origins, StorageProvider, ranges};

mod admin;
mod sizes;
mod tls;

/// The problems of all rules that `config` violates. Each is reported for a key that the operator has set.
pub(super) fn validate(config: &Config, origins: &Origins) -> Vec<Problem> {
    let mut rules = liveness(config);
    rules.extend(advertised(config));
    rules.extend(listeners(config));
    rules.extend(sizes::memory(config));
    rules.extend(nacos(config));
    rules.extend(admin::access(config));
    rules.extend(tls::rules(config));
    rules.extend(one_store(config));
    rules.extend(etcd(config));
    rules.extend(zookeeper(config));
    let mut broken = ranges::broken(config);
    // A value outside its range often violates rules too. One message is enough.
    let out_of_range = broken.iter().flat_map(|(keys, _)| keys);
    let out_of_range: Vec<String> = out_of_range.cloned().collect();
    rules.retain(|(keys, _)| !keys.iter().any(|key| out_of_range.contains(key)));
    broken.extend(rules);
    let problem = |(keys, message): (Vec<String>, String)| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        origins.problem(&keys, message)
    };
    broken.into_iter().map(problem).collect()
}

fn rule(keys: &[&str], message: impl Into<String>) -> (Vec<String>, String) {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    (keys, message.into())
}

fn liveness(config: &Config) -> Broken {
    let liveness = &config.liveness;
    let [silent_after, down_after, tick] =
        [liveness.silent_after, liveness.down_after, liveness.tick].map(print_duration);
    let mut broken = Broken::new();
    if liveness.down_after <= liveness.silent_after {
        broken.push(rule(
            &[
                "liveness.default.down_after",
                "liveness.default.silent_after",
            ],
            format!(
                "down_after ({down_after}) has to be longer than silent_after ({silent_after})"
            ),
        ));
    }
    if liveness.tick > liveness.silent_after {
        broken.push(rule(
            &["liveness.default.tick", "liveness.default.silent_after"],
            format!("tick ({tick}) has to be at most silent_after ({silent_after})"),
        ));
    }
    if liveness.forget_after <= liveness.down_after {
        let forget_after = print_duration(liveness.forget_after);
        broken.push(rule(
            &[
                "liveness.default.forget_after",
                "liveness.default.down_after",
            ],
            format!(
                "forget_after ({forget_after}) has to be longer than down_after ({down_after})"
            ),
        ));
    }
    let is_shared = config.storage.provider == StorageProvider::Etcd;
    if is_shared && liveness.write_back_interval > liveness.down_after {
        let interval = print_duration(liveness.write_back_interval);
        broken.push(rule(
            &[
                "liveness.default.write_back_interval",
                "liveness.default.down_after",
            ],
            format!(
                "write_back_interval ({interval}) has to be at most down_after ({down_after}) where collectors share a store: \
                 other collectors receive last-seen times with a delay of up to this interval"
            ),
        ));
    }
    broken
}

fn advertised(config: &Config) -> Broken {
    let nacos = (
        "nacos.default.advertised_host",
        &config.nacos.advertised_host,
    );
    let nacos = config.nacos.is_on().then_some(nacos);
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
    for (key, host) in hosts.into_iter().chain(nacos) {
        if is_wildcard(host) {
            let message = format!("{host} is not an address that other machines can connect to");
            broken.push(rule(&[key], message));
        } else if key.starts_with("agent_gRPC") && host.parse::<Ipv6Addr>().is_ok() {
            let message =
                format!("agents split {host} at its first colon: use a name or an IPv4 address");
            broken.push(rule(&[key, "agent_gRPC.gRPC.host"], message));
        }
    }
    broken
}

/// Equal endpoints share a listener. Others must not overlap, as a wildcard and another host on the same port do.
fn listeners(config: &Config) -> Broken {
    let faces = [
        ("naming.jetty.host", &config.naming.listen),
        ("remote.gRPC.host", &config.remote.listen),
        ("agent_gRPC.gRPC.host", &config.agent_grpc.listen),
        ("agent_jetty.jetty.host", &config.agent_jetty.listen),
        ("ui.jetty.host", &config.ui.listen),
    ];
    let clash = |one: &Endpoint, other: &Endpoint| one.host != other.host && one.overlaps(other);
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
            broken.push(rule(&[key, other_key], message));
        }
    }
    broken
}

/// Callers must sign in, unless they are on this machine or the configuration allows anonymous callers.
fn nacos(config: &Config) -> Broken {
    let nacos = &config.nacos;
    if !nacos.is_on() {
        return Broken::new();
    }
    let mut broken = nacos_ports(config);
    let is_local = is_loopback(&nacos.listen.host);
    if !is_local && nacos.users_file.as_os_str().is_empty() && !nacos.allow_anonymous {
        let host = &nacos.listen.host;
        let message = format!(
            "without users every caller that reaches {host} may register, change and remove any service: set users_file \
             (SW_NACOS_USERS_FILE), or allow_anonymous: true (SW_NACOS_ALLOW_ANONYMOUS) where the network is closed"
        );
        broken.push(rule(
            &["nacos.default.host", "nacos.default.users_file"],
            message,
        ));
    }
    let secret = nacos.token_secret.expose().len();
    if secret > 0 && secret < rollcall_nacos::auth::MIN_SECRET {
        let least = rollcall_nacos::auth::MIN_SECRET;
        let message = format!("has {secret} bytes; at least {least} are needed");
        broken.push(rule(&["nacos.default.token_secret"], message));
    }
    broken
}

/// The endpoints of the Nacos faces overlap with no other.
fn nacos_ports(config: &Config) -> Broken {
    let nacos = &config.nacos;
    let mut broken = Broken::new();
    let (http, grpc) = (&nacos.listen, &nacos.grpc());
    let others = [
        ("naming.jetty.port", &config.naming.listen),
        ("remote.gRPC.port", &config.remote.listen),
        ("agent_gRPC.gRPC.port", &config.agent_grpc.listen),
        ("agent_jetty.jetty.port", &config.agent_jetty.listen),
        ("ui.jetty.port", &config.ui.listen),
        ("nacos.default.port", http),
    ];
    for (key, own) in [
        ("nacos.default.port", http),
        ("nacos.default.grpc_port", grpc),
    ] {
        let mut others = others.iter();
        let shared = others.find(|(other, at)| *other != key && own.overlaps(at));
        if let Some((other, at)) = shared {
            let (port, own, at) = (own.port, &own.host, &at.host);
            let hosts = if own == at {
                String::new()
            } else {
                format!(", and {own} and {at} overlap")
            };
            let message = format!(
                "{port} is the port of {other} too{hosts}: the ports for Nacos clients cannot be shared"
            );
            broken.push(rule(&[key, other], message));
        }
    }
    if http.port != 0 && nacos.grpc_port.is_none() && grpc.port == 0 {
        let message = format!(
            "{} + 1000 is not a port: set grpc_port, or a smaller port",
            http.port
        );
        broken.push(rule(
            &["nacos.default.port", "nacos.default.grpc_port"],
            message,
        ));
    }
    broken
}

/// Whether only this machine can reach a host.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The collectors of a cluster share one store. With separate stores they would assign one id to two names.
fn one_store(config: &Config) -> Broken {
    let is_cluster = config.cluster.provider != ClusterProvider::Standalone;
    if !is_cluster || config.storage.provider != StorageProvider::Embedded {
        return Broken::new();
    }
    vec![rule(
        &["storage", "cluster"],
        "collectors of one cluster share their ids in etcd, and storage.embedded is the store of one collector: set \
         SW_STORAGE=etcd and SW_STORAGE_ETCD_ENDPOINTS=host:2379 (ZooKeeper, if it is used, still holds the member list), or run \
         one collector alone with SW_CLUSTER=standalone",
    )]
}

fn etcd(config: &Config) -> Broken {
    let mut broken = Broken::new();
    if config.cluster.provider == ClusterProvider::Etcd {
        let term = config.cluster.lease_term;
        if term.subsec_millis() != 0 {
            let message = format!("{} has to be whole seconds", print_duration(term));
            broken.push(rule(&["cluster.etcd.lease_term"], message));
        }
        broken.extend(connection("cluster.etcd", &config.cluster.etcd));
    }
    if config.storage.provider == StorageProvider::Etcd {
        broken.extend(connection("storage.etcd", &config.storage.etcd));
    }
    broken
}

fn zookeeper(config: &Config) -> Broken {
    let zookeeper = &config.cluster.zookeeper;
    let is_used = config.cluster.provider == ClusterProvider::Zookeeper;
    if !is_used || zookeeper.enable_acl != zookeeper.expression.expose().is_empty() {
        return Broken::new();
    }
    vec![rule(
        &[
            "cluster.zookeeper.enable_acl",
            "cluster.zookeeper.expression",
        ],
        "needs enable_acl: true and an expression, user:password, together",
    )]
}

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
            ["endpoints", "cert_file"],
            "needs a ca_file for TLS: the authority that signed etcd's certificates",
        ),
        (
            has_authority && any("http://"),
            ["endpoints", "ca_file"],
            "has a ca_file, which is for TLS, and an endpoint that begins with http://",
        ),
        (
            has_certificate != has_key,
            ["cert_file", "key_file"],
            "needs cert_file and key_file together",
        ),
        (
            etcd.user.is_empty() != etcd.password.expose().is_empty(),
            ["user", "password"],
            "needs user and password together",
        ),
    ];
    let broken = rules.into_iter().filter(|(is_broken, ..)| *is_broken);
    broken
        .map(|(_, keys, message)| {
            // A setting that `storage.etcd` omits is taken from `cluster.etcd`.
            let own = keys.iter().map(|key| format!("{path}.{key}"));
            let keys = own.chain(keys.iter().map(|key| format!("cluster.etcd.{key}")));
            (keys.collect(), format!("{path} {message}"))
        })
        .collect()
}
