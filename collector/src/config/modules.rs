//! The modules of the file: Rollcall's own, and those of upstream that it has no part for.

use super::{ClusterProvider, Config, StorageProvider};

/// A module that Rollcall has.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    /// The implementations to choose from.
    pub(super) providers: &'static [&'static str],
    /// For a module where there is something to choose.
    pub(super) choice: Option<Choice>,
    /// Implementations that upstream has, and what to use instead.
    pub(super) absent: &'static [(&'static str, &'static str)],
}

/// How an implementation is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// The variable that wins over the file.
    pub(super) variable: &'static str,
    /// Chooses the implementation of this name; one that is unknown is left as it is.
    pub(super) set: fn(&mut Config, &str),
    /// The name of the one that is chosen.
    pub(super) get: fn(&Config) -> &'static str,
}

const fn only(name: &'static str, provider: &'static [&'static str]) -> Module {
    Module {
        name,
        providers: provider,
        choice: None,
        absent: &[],
    }
}

const NO_REDIS: &str = "upstream's was never finished: use etcd or zookeeper";
const NO_DATABASE: &str = "ids are kept in Rollcall's own files or in etcd: use embedded or etcd, or set SW_STORAGE=embedded and leave the file as it is";
const NO_STORAGE_IN_ZOOKEEPER: &str = "ZooKeeper reads no ranges and tells of changes in no order, so that every start would be a read for each id: use etcd beside it";

const CLUSTERS: [(&str, ClusterProvider); 3] = [
    ("standalone", ClusterProvider::Standalone),
    ("etcd", ClusterProvider::Etcd),
    ("zookeeper", ClusterProvider::Zookeeper),
];
const STORAGES: [(&str, StorageProvider); 2] = [
    ("embedded", StorageProvider::Embedded),
    ("etcd", StorageProvider::Etcd),
];

fn choose<P: Copy>(provider: &mut P, all: &[(&str, P)], name: &str) {
    let found = all.iter().find(|(known, _)| *known == name);
    *provider = found.map_or(*provider, |(_, found)| *found);
}

fn name_of<P: Copy + PartialEq>(provider: P, all: &[(&'static str, P)]) -> &'static str {
    let found = all.iter().find(|(_, known)| *known == provider);
    found.map_or("", |(name, _)| *name)
}

/// Every module, in the order of the bundled file.
pub(super) const MODULES: &[Module] = &[
    only("naming", &["jetty"]),
    only("remote", &["gRPC"]),
    only("agent_gRPC", &["gRPC"]),
    only("agent_jetty", &["jetty"]),
    only("ui", &["jetty"]),
    Module {
        name: "cluster",
        providers: &["standalone", "etcd", "zookeeper"],
        choice: Some(Choice {
            variable: "SW_CLUSTER",
            set: |config, name| choose(&mut config.cluster.provider, &CLUSTERS, name),
            get: |config| name_of(config.cluster.provider, &CLUSTERS),
        }),
        absent: &[("redis", NO_REDIS)],
    },
    Module {
        name: "storage",
        providers: &["embedded", "etcd"],
        choice: Some(Choice {
            variable: "SW_STORAGE",
            set: |config, name| choose(&mut config.storage.provider, &STORAGES, name),
            get: |config| name_of(config.storage.provider, &STORAGES),
        }),
        absent: &[
            ("elasticsearch", NO_DATABASE),
            ("h2", NO_DATABASE),
            ("shardingjdbc", NO_DATABASE),
            ("zookeeper", NO_STORAGE_IN_ZOOKEEPER),
        ],
    },
    only("register", &["default"]),
    only("liveness", &["default"]),
    only("server", &["default"]),
];

/// Modules of 3.2.6 and 5.x that do what Rollcall does not: analysis, alarms, caches, queues.
pub(super) const WITHOUT_PART: &[&str] = &[
    "agent_stream",
    "alarm",
    "analysis_alarm",
    "analysis_baseline-computing",
    "analysis_jvm",
    "analysis_metric",
    "analysis_register",
    "analysis_segment_parser",
    "baseline-computing",
    "cache",
    "collector_inside",
    "gRPC_manager",
    "jetty_manager",
    "queue",
    "receiver_zipkin",
];

/// Keys of upstream that must not be ignored silently, and why there is nothing to set.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "remote.gRPC.channel_size",
        "there is one queue for each collector: set buffer_size to what all channels would hold",
    ),
    (
        "agent_gRPC.gRPC.ssl_cert_chain_file",
        "TLS is not built yet; put a TLS proxy in front of the port",
    ),
    (
        "agent_gRPC.gRPC.ssl_private_key_file",
        "TLS is not built yet; put a TLS proxy in front of the port",
    ),
];
