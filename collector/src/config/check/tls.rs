//! Rules on certificates and the modes of the faces.

use super::rule;
use crate::config::error::Broken;
use crate::config::{ClusterProvider, Config, Mode};

pub(super) fn rules(config: &Config) -> Broken {
    let tls = &config.tls;
    let mut broken = Broken::new();
    if !tls.enabled {
        return broken;
    }
    for (key, path, what) in [
        (
            "tls.default.cert_chain_path",
            &tls.cert_chain_path,
            "a certificate (SW_CORE_GRPC_SSL_CERT_CHAIN_PATH)",
        ),
        (
            "tls.default.key_path",
            &tls.key_path,
            "a private key (SW_CORE_GRPC_SSL_KEY_PATH)",
        ),
    ] {
        if path.as_os_str().is_empty() {
            let message = format!("tls.default.enabled needs {what}");
            broken.push(rule(&[key, "tls.default.enabled"], message));
        }
    }
    if tls.trusted_ca_path.as_os_str().is_empty() {
        broken.extend(without_authority(config));
    }
    broken.extend(shared(config));
    broken
}

/// The modes that need an authority.
fn without_authority(config: &Config) -> Broken {
    let modes = config.modes().into_iter();
    let mutual = modes.filter(|(_, mode)| *mode == Mode::Mutual);
    let mut broken: Broken = mutual
        .map(|(key, _)| {
            let message = "mutual needs tls.default.trusted_ca_path (SW_CORE_GRPC_SSL_TRUSTED_CA_PATH), the authority that \
                           signs the certificates of clients";
            rule(&[key, "tls.default.trusted_ca_path"], message)
        })
        .collect();
    let is_cluster = config.cluster.provider != ClusterProvider::Standalone;
    if is_cluster && config.remote.tls != Mode::Off {
        let message = "collectors of a cluster reach each other over TLS and need the authority that signs their \
                       certificates: set trusted_ca_path (SW_CORE_GRPC_SSL_TRUSTED_CA_PATH), or remote.gRPC.tls: off on a \
                       listener of its own";
        let keys = ["tls.default.trusted_ca_path", "remote.gRPC.tls"];
        broken.push(rule(&keys, message));
    }
    broken
}

/// One listener has one mode.
fn shared(config: &Config) -> Broken {
    let listens = [
        &config.naming.listen,
        &config.remote.listen,
        &config.agent_grpc.listen,
        &config.agent_jetty.listen,
        &config.ui.listen,
    ];
    let faces: Vec<_> = listens.into_iter().zip(config.modes()).collect();
    let mut broken = Broken::new();
    for (at, (listen, (key, mode))) in faces.iter().enumerate() {
        let others = faces.iter().skip(at + 1);
        let differs =
            others.filter(|(other, (_, others))| listen.is_shared_with(other) && mode != others);
        for (_, (other_key, other)) in differs {
            let message = format!(
                "{} and {other_key} {} share the listener {}:{}: write the same, or separate the ports",
                mode.print(),
                other.print(),
                listen.host,
                listen.port
            );
            broken.push(rule(&[key, other_key], message));
        }
    }
    broken
}
