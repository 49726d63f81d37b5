//! The modules of the file: Rollcall's own, and those of upstream that it does not use.

use super::{ClusterProvider, Config, NacosProvider, StorageProvider};

/// A module that Rollcall has.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    /// The implementations to choose from.
    pub(super) providers: &'static [&'static str],
    /// The choice, for a module with several implementations.
    pub(super) choice: Option<Choice>,
    /// Implementations that upstream has and Rollcall does not.
    pub(super) absent: &'static [&'static str],
}

/// The choice of an implementation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// The variable that overrides the file.
    pub(super) variable: &'static str,
    /// Chooses the implementation of this name; an unknown name changes nothing.
    pub(super) set: fn(&mut Config, &str),
    /// The name of the chosen implementation.
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

const CLUSTERS: [(&str, ClusterProvider); 3] = [
    ("standalone", ClusterProvider::Standalone),
    ("etcd", ClusterProvider::Etcd),
    ("zookeeper", ClusterProvider::Zookeeper),
];
const STORAGES: [(&str, StorageProvider); 2] = [
    ("embedded", StorageProvider::Embedded),
    ("etcd", StorageProvider::Etcd),
];

const NACOS: [(&str, NacosProvider); 2] = [
    ("default", NacosProvider::Default),
    ("none", NacosProvider::None),
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
        absent: &["redis"],
    },
    Module {
        name: "storage",
        providers: &["embedded", "etcd"],
        choice: Some(Choice {
            variable: "SW_STORAGE",
            set: |config, name| choose(&mut config.storage.provider, &STORAGES, name),
            get: |config| name_of(config.storage.provider, &STORAGES),
        }),
        absent: &["elasticsearch", "h2", "shardingjdbc", "zookeeper"],
    },
    only("register", &["default"]),
    only("liveness", &["default"]),
    only("timeline", &["default"]),
    Module {
        name: "nacos",
        providers: &["default", "none"],
        choice: Some(Choice {
            variable: "SW_NACOS",
            set: |config, name| choose(&mut config.nacos.provider, &NACOS, name),
            get: |config| name_of(config.nacos.provider, &NACOS),
        }),
        absent: &[],
    },
    only("tls", &["default"]),
    only("server", &["default"]),
    only("log", &["default"]),
];

/// A provider of 3.2.3 and 3.2.4, and the module that replaced it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OldName {
    pub(super) module: &'static str,
    pub(super) provider: &'static str,
    pub(super) now: &'static str,
}

const fn old(module: &'static str, provider: &'static str, now: &'static str) -> OldName {
    OldName {
        module,
        provider,
        now,
    }
}

/// Names of 3.2.3 and 3.2.4. Other providers of these modules are ignored.
pub(super) const OLD_NAMES: &[OldName] = &[
    old("agent_server", "jetty", "naming"),
    old("agent_stream", "grpc", "agent_gRPC"),
    old("agent_stream", "jetty", "agent_jetty"),
    old("collector_inside", "grpc", "remote"),
];

/// The message about an implementation that Rollcall does not have, while the cluster in use is `cluster`. It names every necessary
/// change, so that one start shows all of them.
pub(super) fn instead(module: &str, provider: &str, cluster: ClusterProvider) -> String {
    const SHARED: &str = "set SW_STORAGE=etcd and SW_STORAGE_ETCD_ENDPOINTS=host:2379 (the `cluster` module of the file can stay), or \
         run one collector alone with SW_CLUSTER=standalone and SW_STORAGE=embedded; the file can stay as it is";
    const ALONE: &str = "set SW_STORAGE=embedded (local files in SW_STORAGE_PATH), or SW_STORAGE=etcd; the file can stay as it is";
    let (why, instead) = match (module, provider) {
        ("cluster", _) => (
            "upstream never finished its own",
            "set SW_CLUSTER=etcd or SW_CLUSTER=zookeeper, or SW_CLUSTER=standalone for one collector alone",
        ),
        (_, "zookeeper") => (
            "ZooKeeper cannot read a range of keys and reports changes in no order, so each start would read every id singly",
            "set SW_STORAGE=etcd and SW_STORAGE_ETCD_ENDPOINTS=host:2379 (ZooKeeper can stay for the members)",
        ),
        (_, _) if cluster == ClusterProvider::Standalone => {
            ("Rollcall stores only ids, in local files or in etcd", ALONE)
        }
        (_, _) => ("collectors of one cluster share their ids in etcd", SHARED),
    };
    format!("Rollcall does not have it: {why}; {instead}")
}

/// Modules of 3.2.6 and 5.x that Rollcall does not have: analysis, alarms, caches, queues.
pub(super) const UNSUPPORTED: &[&str] = &[
    "alarm",
    "analysis_alarm",
    "analysis_baseline-computing",
    "analysis_jvm",
    "analysis_metric",
    "analysis_register",
    "analysis_segment_parser",
    "baseline-computing",
    "cache",
    "gRPC_manager",
    "jetty_manager",
    "queue",
    "receiver_zipkin",
];

/// Keys of upstream that must not be ignored silently, and why Rollcall does not support them.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "remote.gRPC.channel_size",
        "there is one queue for each collector: set buffer_size to what all channels would hold",
    ),
    (
        "agent_gRPC.gRPC.ssl_cert_chain_file",
        "the listeners share one certificate: set tls.default.cert_chain_path (SW_CORE_GRPC_SSL_CERT_CHAIN_PATH) and tls.default.enabled",
    ),
    (
        "agent_gRPC.gRPC.ssl_private_key_file",
        "the listeners share one certificate: set tls.default.key_path (SW_CORE_GRPC_SSL_KEY_PATH) and tls.default.enabled",
    ),
];
