//! Files of 3.2.6 and 5.x.

use super::*;

/// The application.yml of 3.2.6, without its comments.
const OF_3_2_6: &str = "
naming: {jetty: {host: localhost, port: 10800, context_path: /}}
remote: {gRPC: {host: localhost, port: 11800}}
agent_gRPC: {gRPC: {host: localhost, port: 11800}}
agent_jetty: {jetty: {host: localhost, port: 12800, context_path: /}}
agent_stream:
  default:
    buffer_file_path: ../buffer/
    buffer_offset_max_file_size: 10M
    buffer_segment_max_file_size: 500M
ui: {jetty: {host: localhost, port: 12800, context_path: /}}
";

/// The application.yml of 5.0.0-GA, without its comments and most keys of other modules.
const OF_5_0_0: &str = "
naming: {jetty: {host: localhost, port: 10800, contextPath: /}}
cache:
  caffeine:
remote: {gRPC: {host: localhost, port: 11800}}
agent_gRPC: {gRPC: {host: localhost, port: 11800}}
agent_jetty: {jetty: {host: localhost, port: 12800, contextPath: /}}
analysis_register:
  default:
analysis_jvm:
  default:
analysis_segment_parser: {default: {bufferFilePath: ../buffer/, bufferFileCleanWhenRestart: true}}
ui: {jetty: {host: localhost, port: 12800, contextPath: /}}
storage: {elasticsearch: {clusterName: CollectorDBCluster, bulkActions: 2000}}
configuration: {default: {serviceErrorRateThreshold: 10.00}}
";

#[test]
fn a_file_of_3_2_6_works_as_it_is() {
    let loaded = loaded(OF_3_2_6, &[]);
    assert_eq!(loaded.config.agent_grpc.advertised.host, "localhost");
    assert_eq!(loaded.ignored, ["agent_stream.default"]);
}

#[test]
fn a_file_of_5_0_0_works_with_the_store_chosen_by_variable() {
    let loaded = loaded(OF_5_0_0, &[("SW_STORAGE", "embedded")]);
    assert_eq!(loaded.config.naming.listen.host, "localhost");
    assert_eq!(
        loaded.ignored,
        [
            "analysis_jvm",
            "analysis_register",
            "analysis_segment_parser",
            "cache",
            "configuration"
        ]
    );
}

#[test]
fn an_unsupported_store_is_refused_with_an_alternative() {
    let found = problems(OF_5_0_0, &[]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("my.yml: storage.elasticsearch: ")
            && found[0].contains("set SW_STORAGE=embedded"),
        "{found:?}"
    );
    let found = problems("storage: {embedded: }", &[("SW_STORAGE", "h2")]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("SW_STORAGE: storage.h2: ")
            && found[0].contains("set SW_STORAGE=embedded"),
        "{found:?}"
    );
    let found = problems("", &[("SW_STORAGE", "zookeeper")]);
    assert!(
        found[0].contains("read every id singly; set SW_STORAGE=etcd"),
        "{found:?}"
    );
}

#[test]
fn the_cluster_of_an_old_file_works_unchanged() {
    let of_3_2_6 = "cluster: {zookeeper: {hostPort: 'a:2181,b:2181', sessionTimeout: 100000}}";
    let of_5_0_0 = format!("{of_3_2_6}\nconfiguration: {{default: {{namespace: ns, x: 1}}}}");
    for (file, namespace) in [(of_3_2_6, ""), (&of_5_0_0, "ns")] {
        let cluster = loaded(file, &[("SW_STORAGE", "etcd")]).config.cluster;
        assert_eq!(cluster.provider, ClusterProvider::Zookeeper);
        assert_eq!(cluster.zookeeper.host_port.servers, ["a:2181", "b:2181"]);
        assert_eq!(cluster.zookeeper.session_timeout, Duration::from_secs(100));
        assert_eq!(cluster.zookeeper.namespace, namespace);
    }
}

#[test]
fn a_variable_chooses_and_the_other_providers_are_ignored() {
    let file = "cluster: {zookeeper: {hostPort: nonsense}}";
    let env = [("SW_CLUSTER", "etcd"), ("SW_STORAGE", "etcd")];
    let config = loaded(file, &env).config;
    assert_eq!(config.cluster.provider, ClusterProvider::Etcd);
    assert_eq!(config.storage.provider, StorageProvider::Etcd);
    assert_eq!(config.cluster.etcd.endpoints, ["127.0.0.1:2379"]);
    assert_eq!(config.cluster.lease_term, Duration::from_secs(10));
    assert_eq!(loaded(&config.to_yaml(), &[]).config, config);
    let found = problems("", &[("SW_CLUSTER", "redis")]);
    assert!(
        found[0].contains("set SW_CLUSTER=etcd or SW_CLUSTER=zookeeper"),
        "{found:?}"
    );
}
