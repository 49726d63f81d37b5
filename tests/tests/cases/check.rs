//! Tests the mistakes that `--check` finds on the machine, beyond the text of a file.

use super::{BAD_CONFIGURATION, check, refused};

/// Every mistake is reported with the source and the key of its value.
#[tokio::test]
async fn a_check_resolves_hosts_reads_files_and_tries_the_data_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(at("file"), "no certificate").expect("a file");
    let (file, missing) = (at("file"), at("missing.pem"));
    let env = [
        ("SW_NAMING_JETTY_HOST", "no-such-host.invalid"),
        ("SW_AGENT_GRPC_HOST", "203.0.113.7"),
        ("SW_CLUSTER", "etcd"),
        ("SW_CLUSTER_ETCD_ENDPOINTS", "no-such-etcd.invalid:2379"),
        ("SW_CLUSTER_ETCD_CA_FILE", &*file),
        ("SW_CLUSTER_ETCD_CERT_FILE", &*missing),
        ("SW_CLUSTER_ETCD_KEY_FILE", &*missing),
        ("SW_STORAGE", "etcd"),
        ("SW_AGENT_GRPC_PROT", "11800"),
    ];
    let (code, lines) = check("13-standalone-with-keys.yml", &env).await;
    let begins = [
        "unknown variables that begin with SW_ are ignored variables=SW_AGENT_GRPC_PROT (did you mean \
         SW_AGENT_GRPC_PORT?)",
        "SW_NAMING_JETTY_HOST: naming.jetty.host: no-such-host.invalid cannot be resolved on this machine: ",
        "SW_AGENT_GRPC_HOST: agent_gRPC.gRPC.host: 203.0.113.7 is not an address of this machine",
        "SW_CLUSTER_ETCD_ENDPOINTS: cluster.etcd.endpoints: no-such-etcd.invalid:2379 cannot be resolved on this machine: ",
        &format!(
            "SW_CLUSTER_ETCD_CA_FILE: cluster.etcd.ca_file: {file} holds no certificate in PEM format"
        ),
        &format!(
            "SW_CLUSTER_ETCD_CERT_FILE: cluster.etcd.cert_file: cannot read {missing}: No such file"
        ),
    ];
    assert_eq!(code, BAD_CONFIGURATION, "{lines:#?}");
    assert!(lines.len() >= begins.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(
            line.starts_with(begin),
            "{line} does not begin with {begin}"
        );
    }
}

#[tokio::test]
async fn a_check_tries_directories_and_reads_the_nacos_users() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (file, missing) = (at("file"), at("missing"));
    std::fs::write(&file, "no certificate").expect("a file");
    let below_a_file = format!("{file}/data");
    for (path, error) in [
        (
            &file,
            format!("{file} cannot be written: it is not a directory"),
        ),
        (
            &below_a_file,
            format!("{below_a_file} cannot be created in {file}: it is not a directory"),
        ),
    ] {
        let keys = [
            ("SW_STORAGE_PATH", "storage.embedded.path"),
            ("SW_STORAGE_BACKUP_PATH", "storage.embedded.backup_path"),
            ("SW_TIMELINE_JOURNAL_PATH", "timeline.default.journal_path"),
        ];
        for (variable, key) in keys {
            let error = format!("{variable}: {key}: {error}");
            refused("07-localhost.yml", &[(variable, path)], &[&error]).await;
        }
    }
    for (path, reason) in [
        (&missing, "No such file or directory (os error 2)"),
        (
            &file,
            "line 1: the second word of no is not a bcrypt hash; rollcall-collector nacos hash-password makes one",
        ),
    ] {
        let error = format!(
            "SW_NACOS_USERS_FILE: nacos.default.users_file: the file of Nacos users ({path}, SW_NACOS_USERS_FILE) cannot be \
             read: {reason}"
        );
        refused(
            "07-localhost.yml",
            &[("SW_NACOS_USERS_FILE", path)],
            &[&error],
        )
        .await;
    }
}
