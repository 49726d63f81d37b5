//! The checks of `--check` beyond the text of a configuration: names that do not resolve, addresses that the machine does not
//! have, unreadable files, a data directory that is not writable. The checks open no connection and leave no file.
//!
//! Left out: advertised hosts, which are names in the network of the agents and may not resolve here.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    path::Path,
};

use rollcall_etcd as etcd;
use rollcall_tls::Certificates;

use crate::app::{certificate_files, same_address, users};
use crate::config::{
    ClusterProvider, Config, Endpoint, Loaded, Problem, StorageProvider, authority, overlap,
};

/// Every problem that prevents a collector with this configuration from starting on this machine. Blocks while it resolves
/// names.
#[must_use]
pub fn check(loaded: &Loaded) -> Vec<Problem> {
    let config = &loaded.config;
    let mut found = listeners(config);
    found.extend(servers(config));
    found.extend(files(config));
    found.extend(certificate(config));
    found.extend(nacos_users(config));
    found.extend(directories(config));
    found
        .into_iter()
        .map(|Found { keys, message }| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            loaded.origins.problem(&keys, message)
        })
        .collect()
}

/// A problem, and the keys that may cause it, the most likely one first.
struct Found {
    keys: Vec<String>,
    message: String,
}

fn found(key: impl Into<String>, message: String) -> Found {
    Found {
        keys: vec![key.into()],
        message,
    }
}

fn listeners(config: &Config) -> Vec<Found> {
    let faces = [
        ("naming.jetty.host", &config.naming.listen),
        ("agent_gRPC.gRPC.host", &config.agent_grpc.listen),
        ("remote.gRPC.host", &config.remote.listen),
        ("agent_jetty.jetty.host", &config.agent_jetty.listen),
        ("ui.jetty.host", &config.ui.listen),
    ];
    let grpc = config.nacos.grpc();
    let nacos = [&config.nacos.listen, &grpc].map(|endpoint| ("nacos.default.host", endpoint));
    let nacos = nacos.into_iter().filter(|_| config.nacos.is_on());
    let mut seen: Vec<&str> = Vec::new();
    let mut wrong = Vec::new();
    for (key, Endpoint { host, .. }) in faces.into_iter().chain(nacos.clone()) {
        // Each host is checked once, so that it is reported once.
        if seen.contains(&host.as_str()) {
            continue;
        }
        seen.push(host);
        match resolve(&authority(host, 0)) {
            Err(error) => wrong.push(found(key, unresolved(host, &error))),
            Ok(addresses) if !addresses.iter().any(is_own) => {
                let message = format!("{host} is not an address of this machine");
                wrong.push(found(key, message));
            }
            Ok(_) => {}
        }
    }
    if wrong.is_empty() {
        let nacos: Vec<_> = nacos.collect();
        wrong.extend(same_addresses(&faces, &nacos));
    }
    wrong
}

/// Faces with one address under two names. They would not share a listener, and the second one could not listen.
fn same_addresses(faces: &[(&str, &Endpoint)], nacos: &[(&str, &Endpoint)]) -> Vec<Found> {
    let first = |endpoint: &Endpoint| {
        let addresses = resolve(&authority(&endpoint.host, endpoint.port)).ok()?;
        // The order of `rollcall_server::bind`.
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
        v4.into_iter().chain(v6).find(|address| {
            let address = SocketAddr::new(address.ip(), 0);
            is_own(&address)
        })
    };
    let shareable = faces.iter().map(|face| (face, true));
    let all = shareable.chain(nacos.iter().map(|face| (face, false)));
    let bound = all.filter_map(|(face, is_shareable)| Some((face, first(face.1)?, is_shareable)));
    let bound: Vec<_> = bound
        .filter(|(_, address, _)| address.port() != 0)
        .collect();
    let mut wrong: Vec<Found> = Vec::new();
    for (at, ((key, one), address, is_shareable)) in bound.iter().enumerate() {
        let mut others = bound.iter().skip(at + 1);
        // The rules of the configuration have compared equal hosts.
        let same = others.find(|((_, other), at, _)| {
            at.port() == address.port() && overlap(at.ip(), address.ip()) && one.host != other.host
        });
        if let Some(((other_key, other), _, is_other_shareable)) = same {
            let advice = same_address(*is_shareable && *is_other_shareable);
            wrong.push(Found {
                keys: vec![(*key).to_owned(), (*other_key).to_owned()],
                message: format!(
                    "{} and {other_key} {} are the same address, {address}: {advice}",
                    one.host, other.host
                ),
            });
        }
    }
    wrong
}

/// Whether this machine can listen on the address.
fn is_own(address: &SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

fn servers(config: &Config) -> Vec<Found> {
    let etcd = |path: &str, etcd: &etcd::Config| {
        let key = format!("{path}.endpoints");
        let endpoints = etcd.endpoints.iter();
        let servers = endpoints.map(|endpoint| {
            let bare = endpoint.split_once("://").map(|(_, server)| server);
            bare.unwrap_or(endpoint).to_owned()
        });
        // A setting that `storage.etcd` omits is taken from `cluster.etcd`.
        let keys = vec![key, "cluster.etcd.endpoints".to_owned()];
        (keys, servers.collect::<Vec<_>>())
    };
    let mut groups = Vec::new();
    match config.cluster.provider {
        ClusterProvider::Standalone => {}
        ClusterProvider::Etcd => groups.push(etcd("cluster.etcd", &config.cluster.etcd)),
        ClusterProvider::Zookeeper => {
            let keys = vec!["cluster.zookeeper.host_port".to_owned()];
            groups.push((keys, config.cluster.zookeeper.host_port.servers.clone()));
        }
    }
    if config.storage.provider == StorageProvider::Etcd {
        groups.push(etcd("storage.etcd", &config.storage.etcd));
    }
    let mut wrong = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (keys, servers) in groups {
        for server in servers {
            if !seen.contains(&server)
                && let Err(error) = resolve(&server)
            {
                let message = unresolved(&server, &error);
                let keys = keys.clone();
                wrong.push(Found { keys, message });
            }
            seen.push(server);
        }
    }
    wrong
}

/// The addresses of `host:port`.
fn resolve(server: &str) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = server.to_socket_addrs()?.collect();
    if addresses.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(addresses)
}

fn unresolved(host: &str, error: &io::Error) -> String {
    format!("{host} cannot be resolved on this machine: {error}")
}

fn files(config: &Config) -> Vec<Found> {
    let mut used = Vec::new();
    if config.storage.provider == StorageProvider::Etcd {
        used.push(("storage.etcd", &config.storage.etcd));
    }
    if config.cluster.provider == ClusterProvider::Etcd {
        used.push(("cluster.etcd", &config.cluster.etcd));
    }
    let mut wrong: Vec<Found> = Vec::new();
    for (path, config) in used {
        for (key, message) in etcd::unusable_files(config) {
            if !wrong.iter().any(|found| found.message == message) {
                let keys = vec![format!("{path}.{key}"), format!("cluster.etcd.{key}")];
                wrong.push(Found { keys, message });
            }
        }
    }
    wrong
}

/// Checks that the certificate files are usable and belong together.
fn certificate(config: &Config) -> Vec<Found> {
    if !config.tls.enabled {
        return Vec::new();
    }
    match Certificates::load(certificate_files(&config.tls)) {
        Ok(_) => Vec::new(),
        Err(error) => vec![found("tls.default.cert_chain_path", error.to_string())],
    }
}

/// Checks that the file of Nacos users is readable and valid.
fn nacos_users(config: &Config) -> Vec<Found> {
    if !config.nacos.is_on() {
        return Vec::new();
    }
    match users(&config.nacos) {
        Ok(_) => Vec::new(),
        Err(error) => vec![found("nacos.default.users_file", error.to_string())],
    }
}

/// The directories of the store, of its backups, and of the journal of events.
fn directories(config: &Config) -> Vec<Found> {
    let mut wrong = Vec::new();
    if config.storage.provider == StorageProvider::Embedded {
        wrong.extend(directory(
            "storage.embedded.path",
            &config.storage.embedded.path,
        ));
        let backups = &config.storage.embedded.backup_path;
        if !backups.as_os_str().is_empty() {
            wrong.extend(directory("storage.embedded.backup_path", backups));
        }
    }
    let journal = &config.timeline.journal_path;
    if !journal.as_os_str().is_empty() {
        wrong.extend(directory("timeline.default.journal_path", journal));
    }
    wrong
}

/// The problem of a directory that cannot be created or written.
fn directory(key: &str, path: &Path) -> Option<Found> {
    let wrong = |at: &Path, error: &dyn std::fmt::Display| {
        let message = if at == path {
            format!("{} cannot be written: {error}", path.display())
        } else {
            format!(
                "{} cannot be created in {}: {error}",
                path.display(),
                at.display()
            )
        };
        Some(found(key, message))
    };
    let mut above = path.ancestors().map(|at| match at.as_os_str().is_empty() {
        true => Path::new("."),
        false => at,
    });
    // A symbolic link to nothing exists too: no directory can be created in its place.
    let Some(existing) = above.find(|at| at.symlink_metadata().is_ok()) else {
        return wrong(path, &io::Error::from(io::ErrorKind::NotFound));
    };
    if !existing.is_dir() {
        return wrong(existing, &"it is not a directory");
    }
    // The temporary file has no name or is unlinked at once, so the check leaves nothing behind.
    match tempfile::tempfile_in(existing) {
        Ok(_) => None,
        Err(error) => wrong(existing, &error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_symbolic_link_to_nothing_is_no_place_for_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("data");
        symlink(directory.path().join("nothing"), &link).unwrap();
        let problem = super::directory("storage.embedded.path", &link).unwrap();
        assert!(
            problem.message.contains("not a directory"),
            "{}",
            problem.message
        );
        let absent = directory.path().join("a/b");
        assert!(super::directory("storage.embedded.path", &absent).is_none());
    }

    #[test]
    fn one_address_under_two_names_is_reported_with_both_keys() {
        let at = |host: &str, port| Endpoint {
            host: host.to_owned(),
            port,
        };
        let [name, number, other] = [at("localhost", 7), at("127.0.0.1", 7), at("127.0.0.1", 8)];
        let found = same_addresses(
            &[("a.host", &name), ("b.host", &other), ("c.host", &number)],
            &[],
        );
        let keys: Vec<_> = found.iter().map(|found| found.keys.join(" ")).collect();
        assert_eq!(keys, ["a.host c.host"]);
        assert!(
            found[0].message.contains("c.host 127.0.0.1"),
            "{}",
            found[0].message
        );
        assert!(same_addresses(&[("a.host", &number), ("c.host", &number)], &[]).is_empty());
        let nacos = same_addresses(&[("a.host", &number)], &[("nacos.default.host", &name)]);
        assert!(
            nacos[0].message.contains("cannot be shared"),
            "{}",
            nacos[0].message
        );
        let [name, number] = [at("localhost", 0), at("127.0.0.1", 0)];
        assert!(same_addresses(&[("a.host", &name), ("c.host", &number)], &[]).is_empty());
    }
}
