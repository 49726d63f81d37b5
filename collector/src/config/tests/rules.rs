//! Rules between keys.

use super::*;

/// A variable, a value that violates a rule or a range, and the key in the message.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "SW_LIVENESS_DOWN_AFTER",
        "120s",
        "liveness.default.down_after",
    ),
    ("SW_LIVENESS_TICK", "121s", "liveness.default.tick"),
    (
        "SW_AGENT_GRPC_ADVERTISED_HOST",
        "fe80::1",
        "agent_gRPC.gRPC.advertised_host",
    ),
    (
        "SW_UI_JETTY_ADVERTISED_HOST",
        "0.0.0.0",
        "ui.jetty.advertised_host",
    ),
    (
        "SW_NACOS_ADVERTISED_HOST",
        "0.0.0.0",
        "nacos.default.advertised_host",
    ),
    (
        "SW_LIVENESS_SILENT_AFTER",
        "400s",
        "liveness.default.silent_after",
    ),
    (
        "SW_SERVER_INBOUND_MEMORY",
        "1MiB",
        "server.default.inbound_memory",
    ),
    (
        "SW_AGENT_GRPC_MAX_MESSAGE_SIZE",
        "1GiB",
        "agent_gRPC.gRPC.max_message_size",
    ),
    ("SW_REMOTE_GRPC_HOST", "0.0.0.0", "remote.gRPC.host"),
    ("SW_UI_JETTY_HOST", "0.0.0.0", "ui.jetty.host"),
    (
        "SW_CLUSTER_ETCD_LEASE_TERM",
        "2500ms",
        "cluster.etcd.lease_term",
    ),
    (
        "SW_CLUSTER_ETCD_LEASE_TERM",
        "1s",
        "cluster.etcd.lease_term",
    ),
    (
        "SW_CLUSTER_ETCD_ENDPOINTS",
        "https://a:1",
        "cluster.etcd.endpoints",
    ),
    (
        "SW_CLUSTER_ETCD_CERT_FILE",
        "cert.pem",
        "cluster.etcd.cert_file",
    ),
    ("SW_STORAGE_ETCD_USER", "rollcall", "storage.etcd.user"),
    (
        "SW_REGISTER_QUEUE_CAPACITY",
        "1000000000",
        "register.default.queue_capacity",
    ),
    (
        "SW_SERVER_CONNECTION_MEMORY",
        "1",
        "server.default.connection_memory",
    ),
    ("SW_SERVER_WORK_MEMORY", "256", "server.default.work_memory"),
    (
        "SW_REGISTER_INVENTORY_MEMORY",
        "512",
        "register.default.inventory_memory",
    ),
    ("SW_NACOS_TOKEN_TTL", "500ms", "nacos.default.token_ttl"),
    (
        "SW_REGISTER_MAX_ASSIGNED_IDS",
        "3000000000",
        "register.default.max_assigned_ids",
    ),
];

#[test]
fn rules_between_keys_are_checked() {
    for (variable, value, key) in BROKEN {
        // An address of the machine is found, so that only the tested rule is violated.
        let sources = Sources {
            detect: || Detected::Address(Ipv4Addr::new(10, 0, 0, 1).into()),
            ..sources(
                "",
                &[
                    (*variable, *value),
                    ("SW_CLUSTER", "etcd"),
                    ("SW_STORAGE", "etcd"),
                ],
            )
        };
        let found = load(sources).unwrap_err().problems;
        assert_eq!(found[0].key, *key, "{variable}={value}");
        let named = found[0].to_string();
        assert!(
            named.starts_with(&format!("{variable}: {key}: ")),
            "{named}"
        );
    }
}

/// Keys of the faces for Nacos clients are not checked if these faces are off.
#[test]
fn unused_keys_of_nacos_prevent_no_start() {
    let values = [
        ("SW_NACOS_HOST", "0.0.0.0"),
        ("SW_NACOS_ADVERTISED_HOST", "0.0.0.0"),
        ("SW_NACOS_MAX_MESSAGE_SIZE", "1GiB"),
        ("SW_NACOS_TOKEN_TTL", "1ms"),
        ("SW_NACOS_TOKEN_SECRET", "short"),
    ];
    for value in values {
        let on = load(sources("", &[value]));
        assert!(on.is_err(), "{value:?}");
        loaded("", &[value, ("SW_NACOS", "none")]);
    }
}

#[test]
fn a_value_outside_its_range_is_reported_once() {
    for (variable, value) in [
        ("SW_SERVER_INBOUND_MEMORY", "1"),
        ("SW_AGENT_GRPC_MAX_MESSAGE_SIZE", "4GiB"),
    ] {
        let found = problems("", &[(variable, value)]);
        assert_eq!(found.len(), 1, "{found:#?}");
    }
}
