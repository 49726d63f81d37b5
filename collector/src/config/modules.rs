//! The modules of the file: Rollcall's own, and those of upstream that it has no part for.

/// A module that Rollcall has.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    /// The implementations to choose from; the first is the default.
    pub(super) providers: &'static [&'static str],
    /// The variable that chooses, for a module where there is something to choose.
    pub(super) selector: Option<&'static str>,
    /// Implementations that upstream has, and what to use instead.
    pub(super) absent: &'static [(&'static str, &'static str)],
}

const fn only(name: &'static str, provider: &'static [&'static str]) -> Module {
    Module {
        name,
        providers: provider,
        selector: None,
        absent: &[],
    }
}

const NO_CLUSTER: &str = "clustering is not built yet: run one collector with standalone";
const NO_DATABASE: &str = "ids are kept in Rollcall's own files: use embedded, or set SW_STORAGE=embedded and leave the file as it is";

/// Every module, in the order of the bundled file.
pub(super) const MODULES: &[Module] = &[
    only("naming", &["jetty"]),
    only("remote", &["gRPC"]),
    only("agent_gRPC", &["gRPC"]),
    only("agent_jetty", &["jetty"]),
    only("ui", &["jetty"]),
    Module {
        name: "cluster",
        providers: &["standalone"],
        selector: Some("SW_CLUSTER"),
        absent: &[
            ("zookeeper", NO_CLUSTER),
            ("etcd", NO_CLUSTER),
            ("redis", NO_CLUSTER),
        ],
    },
    Module {
        name: "storage",
        providers: &["embedded"],
        selector: Some("SW_STORAGE"),
        absent: &[
            ("elasticsearch", NO_DATABASE),
            ("h2", NO_DATABASE),
            ("shardingjdbc", NO_DATABASE),
            ("etcd", "storage in etcd is not built yet: use embedded"),
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
    "configuration",
    "gRPC_manager",
    "jetty_manager",
    "queue",
    "receiver_zipkin",
];

/// Keys of upstream that must not be ignored silently, and why there is nothing to set.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "agent_gRPC.gRPC.ssl_cert_chain_file",
        "TLS is not built yet; put a TLS proxy in front of the port",
    ),
    (
        "agent_gRPC.gRPC.ssl_private_key_file",
        "TLS is not built yet; put a TLS proxy in front of the port",
    ),
];
