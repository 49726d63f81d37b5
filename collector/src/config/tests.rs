use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

mod documents;

use super::advertise::choose;
use super::keys::{Field, KEYS};
use super::modules::MODULES;
use super::{
    ClusterProvider, Config, Detected, Loaded, Origin, Sources, StorageProvider, layers, load,
    placeholder, print, reference,
};

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

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn sources(file: &str, env: &[(&str, &str)]) -> Sources {
    let file = Some(("my.yml".to_owned(), file.to_owned()));
    Sources {
        file,
        env: variables(env),
        data_dir: None,
        detect: || Detected::None,
    }
}

fn loaded(file: &str, env: &[(&str, &str)]) -> Loaded {
    load(sources(file, env)).unwrap()
}

fn problems(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    load(sources(file, env))
        .unwrap_err()
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_bundled_file_gives_every_key_of_the_table_its_variable_and_a_default() {
    let defaults: BTreeMap<String, String> = print::defaults().into_iter().collect();
    let choices = MODULES.iter();
    let choices = choices.filter_map(|module| Some((module.name, module.choice?.variable)));
    let expected = KEYS.iter().map(|key| (key.path(), key.env));
    let selectors = choices.map(|(module, variable)| (format!("{module}.selector"), variable));
    let expected = expected.chain(selectors);
    let expected: BTreeMap<String, &str> = expected.collect();
    let named = defaults
        .iter()
        .map(|(path, text)| (path.clone(), placeholder::parts(text).unwrap().0));
    assert_eq!(named.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn the_reference_shows_what_the_bundled_file_means() {
    let defaults = loaded("", &[]).config;
    let table = reference();
    assert_eq!(table.lines().count(), 2 + print::defaults().len());
    for key in KEYS {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` | `{}` |", key.path(), key.env)));
        let default = row
            .unwrap()
            .split('|')
            .nth(3)
            .unwrap()
            .trim()
            .trim_matches('`');
        let mut from_table = defaults.clone();
        // The default of one key may be the variable of another.
        let default = placeholder::resolve(default, &BTreeMap::new()).unwrap();
        key.field.set(&mut from_table, &default).unwrap();
        // What is empty there is completed from other keys.
        if !matches!(
            key.field,
            Field::AdvertisedHost(_) | Field::OptionalEndpoints(_)
        ) {
            assert_eq!(from_table, defaults, "{row:?}");
        }
    }
}

#[test]
fn the_outer_contract_of_the_defaults_holds() {
    let config = loaded("", &[]).config;
    for (listen, port) in [
        (&config.naming.listen, 10800),
        (&config.remote.listen, 11800),
        (&config.agent_grpc.listen, 11800),
        (&config.agent_jetty.listen, 12800),
        (&config.ui.listen, 12800),
    ] {
        assert_eq!((listen.host.as_str(), listen.port), ("127.0.0.1", port));
    }
    assert_eq!(config.storage.embedded.path, Path::new("./data"));
    assert_eq!(config.liveness.silent_after, Duration::from_secs(120));
    assert_eq!(config.liveness.down_after, Duration::from_secs(300));
    assert_eq!(config.agent_grpc.max_message_size, 50 << 20);
    assert_eq!(config.agent_grpc.advertised.host, "127.0.0.1");
}

#[test]
fn a_token_is_never_shown_and_what_is_shown_is_no_token() {
    let config = loaded("", &[("SW_AUTHENTICATION", "s3cret")]).config;
    assert_eq!(config.agent_grpc.authentication.expose(), "s3cret");
    let shown = format!("{config:?} {}", config.to_yaml());
    assert!(!shown.contains("s3cret"), "{shown}");
    let found = problems(&config.to_yaml(), &[]);
    assert!(
        found[0].contains("agent_gRPC.gRPC.authentication"),
        "{found:?}"
    );
    let found = problems("", &[("SW_AUTHENTICATION", "two words")]);
    assert!(!found[0].contains("two words"), "{found:?}");
}

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
fn a_store_that_is_not_there_says_what_to_use_instead() {
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
        found[0].contains("a read for each id; use etcd"),
        "{found:?}"
    );
}

#[test]
fn the_cluster_of_an_old_file_works_as_it_is() {
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
fn a_variable_chooses_and_what_is_not_chosen_is_left_alone() {
    let file = "cluster: {zookeeper: {hostPort: nonsense}}";
    let env = [("SW_CLUSTER", "etcd"), ("SW_STORAGE", "etcd")];
    let config = loaded(file, &env).config;
    assert_eq!(config.cluster.provider, ClusterProvider::Etcd);
    assert_eq!(config.storage.provider, StorageProvider::Etcd);
    assert_eq!(config.cluster.etcd.endpoints, ["127.0.0.1:2379"]);
    assert_eq!(config.cluster.lease_term, Duration::from_secs(10));
    assert_eq!(loaded(&config.to_yaml(), &[]).config, config);
    let found = problems("", &[("SW_CLUSTER", "redis")]);
    assert!(found[0].contains("use etcd or zookeeper"), "{found:?}");
}

#[test]
fn a_cluster_needs_a_store_that_is_shared() {
    for provider in ["etcd", "zookeeper"] {
        let found = problems("", &[("SW_CLUSTER", provider)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("SW_CLUSTER: cluster: ") && found[0].contains("SW_STORAGE=etcd"),
            "{found:?}"
        );
    }
}

#[test]
fn what_the_etcd_of_the_store_leaves_out_is_that_of_the_cluster() {
    let env = [
        ("SW_STORAGE", "etcd"),
        ("SW_NAMESPACE", "production"),
        ("SW_CLUSTER_ETCD_ENDPOINTS", "https://a:1,b:2"),
        ("SW_CLUSTER_ETCD_USER", "rollcall"),
        ("SW_CLUSTER_ETCD_PASSWORD", "s3cret"),
        ("SW_CLUSTER_ETCD_CA_FILE", "ca.pem"),
        ("SW_CLUSTER_ETCD_CERT_FILE", "cert.pem"),
        ("SW_CLUSTER_ETCD_KEY_FILE", "key.pem"),
    ];
    let config = loaded("", &env).config;
    assert_eq!(config.storage.etcd, config.cluster.etcd);
    assert_eq!(config.storage.etcd.endpoints, ["https://a:1", "b:2"]);
    assert_eq!(config.storage.etcd.password.expose(), "s3cret");
    assert!(!format!("{config:?} {}", config.to_yaml()).contains("s3cret"));
    let other = [("SW_STORAGE_ETCD_ENDPOINTS", "c:3"), env[0], env[2]];
    assert_eq!(loaded("", &other).config.storage.etcd.endpoints, ["c:3"]);
}

#[test]
fn the_store_has_the_namespace_of_the_cluster_in_use() {
    let file =
        "cluster: {zookeeper: {hostPort: 'z:1'}}\nconfiguration: {default: {namespace: staging}}";
    let namespace = |env: &[(&str, &str)]| {
        let config = loaded(file, env).config;
        assert_eq!(
            loaded(&config.to_yaml(), &[]).config.namespace(),
            config.namespace()
        );
        (config.namespace().to_owned(), config.storage.etcd.namespace)
    };
    let both = |text: &str| (text.to_owned(), text.to_owned());
    let store = ("SW_STORAGE", "etcd");
    assert_eq!(namespace(&[store]), both("staging"));
    assert_eq!(namespace(&[store, ("SW_CLUSTER", "etcd")]), both("staging"));
    assert_eq!(
        namespace(&[store, ("SW_CLUSTER", "standalone")]),
        both("staging")
    );
    assert_eq!(
        namespace(&[store, ("SW_NAMESPACE", "/team/a/")]),
        both("team/a")
    );
    // Set apart on purpose: the collector keeps its own.
    let apart = namespace(&[store, ("SW_STORAGE_ETCD_NAMESPACE", "/")]);
    assert_eq!(apart, ("staging".to_owned(), "/".to_owned()));
    let embedded = [("SW_CLUSTER", "standalone"), ("SW_STORAGE", "embedded")];
    assert_eq!(namespace(&embedded).0, "staging");
}

#[test]
fn a_selector_leaves_the_other_providers_alone() {
    let file = "storage: {selector: '${CHOICE:embedded}', elasticsearch: {clusterName: x}, embedded: {path: /var/ids}}";
    assert_eq!(
        loaded(file, &[]).config.storage.embedded.path,
        Path::new("/var/ids")
    );
    assert!(problems(file, &[("CHOICE", "elasticsearch")])[0].contains("SW_STORAGE=embedded"));
    assert!(problems("storage: {h2: , embedded: }", &[])[0].contains("several providers"));
}

#[test]
fn later_layers_win_key_by_key() {
    let file = "storage: {embedded: {path: ./from-file}}\nnaming: {jetty: {port: 1}}";
    assert_eq!(
        loaded(file, &[]).config.storage.embedded.path,
        Path::new("./from-file")
    );
    let from_env = loaded(
        file,
        &[
            ("SW_STORAGE_PATH", "./from-env"),
            ("SW_NAMING_JETTY_PORT", ""),
        ],
    )
    .config;
    assert_eq!(
        (from_env.storage.embedded.path, from_env.naming.listen.port),
        (PathBuf::from("./from-env"), 1)
    );
    let all = Sources {
        data_dir: Some("./from-cli".into()),
        ..sources(file, &[("SW_STORAGE_PATH", "./from-env")])
    };
    assert_eq!(
        load(all).unwrap().config.storage.embedded.path,
        Path::new("./from-cli")
    );
}

#[test]
fn placeholders_work_in_the_operators_file() {
    let file = "naming: {jetty: {host: '${NODE:${FALLBACK:a}.example}', port: '${PORT:1}'}}";
    let config = loaded(file, &[("FALLBACK", "b"), ("PORT", "7")]).config;
    assert_eq!(
        (
            config.naming.listen.host.as_str(),
            config.naming.listen.port
        ),
        ("b.example", 7)
    );
    // What a variable holds cannot become structure.
    assert!(problems(file, &[("NODE", "x\nport: 1")])[0].contains("naming.jetty.host"));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let file = "
naming: {jetty: {prot: 10800, port: abc}}
agent_grpc: {gRPC: {}}
liveness: {default: {silent_after: 120, tick: [1s]}}
server: {standard: {}}
register: {default: {deadline: '${NOBODY}', queueCapacity: 1, queue_capacity: 2}}
agent_gRPC: {gRPC: {ssl_cert_chain_file: a.pem}}
mail: {smtp: {}}
ui: 5
";
    let expected = [
        "my.yml: naming.jetty.prot: unknown key; did you mean port?",
        "my.yml: agent_grpc: unknown module; did you mean agent_gRPC?",
        "my.yml: liveness.default.tick: takes one value",
        "my.yml: server.standard: unknown provider; allowed: default",
        "my.yml: register.default.deadline: the variable NOBODY is not set",
        "my.yml: register.default.queue_capacity: is given twice",
        "my.yml: agent_gRPC.gRPC.ssl_cert_chain_file: TLS is not built yet",
        "my.yml: mail: unknown module; allowed: naming, remote,",
        "my.yml: ui: providers have to stand below it",
        "my.yml: naming.jetty.port: \"abc\" is not allowed; allowed: a port, 0 to 65535",
        "SW_UI_JETTY_PORT: ui.jetty.port: \"99999\" is not allowed; allowed: a port, 0 to 65535",
        "my.yml: liveness.default.silent_after: \"120\" is not allowed; allowed: a duration with a unit",
    ];
    let found = problems(file, &[("SW_UI_JETTY_PORT", "99999")]);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
    assert!(!found.concat().contains("s3cret"));
}

#[test]
fn what_is_not_yaml_is_a_problem_of_the_file() {
    for file in [
        "naming: [",
        "a: 1\na: 2",
        "- naming",
        "naming",
        "a: &x [*x, *x]",
        "a: 1\n---\nb: 2",
    ] {
        let found = problems(file, &[]);
        assert!(found[0].starts_with("my.yml: "), "{file}: {found:?}");
    }
}

/// A variable, a value of it that breaks a rule or a range, and the key that is named.
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
        "SW_REGISTER_MAX_ASSIGNED_IDS",
        "3000000000",
        "register.default.max_assigned_ids",
    ),
];

#[test]
fn rules_between_keys_are_checked() {
    for (variable, value, key) in BROKEN {
        // An address of the machine is found, so that only the rule in question is broken.
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

#[test]
fn others_are_told_the_advertised_port_or_else_the_one_that_is_listened_on() {
    for (host, port, told) in [
        ("a.example", "", "a.example:11800"),
        ("a.example", "31800", "a.example:31800"),
        ("fe80::1", "31800", "[fe80::1]:31800"),
    ] {
        let env = [
            ("SW_REMOTE_GRPC_ADVERTISED_HOST", host),
            ("SW_REMOTE_GRPC_ADVERTISED_PORT", port),
        ];
        let config = loaded("", &env).config;
        assert_eq!(config.remote.advertised.authority(11800), told);
        assert_eq!(loaded(&config.to_yaml(), &[]).config.remote, config.remote);
    }
    let found = problems("", &[("SW_UI_JETTY_ADVERTISED_PORT", "0")]);
    assert!(
        found[0].contains("ui.jetty.advertised_port") && found[0].contains("1 to 65535"),
        "{found:?}"
    );
}

#[test]
fn a_wildcard_is_never_advertised() {
    let env = [
        ("SW_AGENT_JETTY_HOST", "0.0.0.0"),
        ("SW_UI_JETTY_HOST", "0.0.0.0"),
    ];
    let found = problems("", &env);
    assert!(
        found[0].starts_with("SW_AGENT_JETTY_HOST: agent_jetty.jetty.host: 0.0.0.0 is no address")
            && found[0].ends_with(
                "set agent_jetty.jetty.advertised_host (SW_AGENT_JETTY_ADVERTISED_HOST) to the one that they use"
            ),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("SW_UI_JETTY_HOST: ui.jetty.host: 0.0.0.0 is no address"),
        "{found:?}"
    );

    let own = || Detected::Address(Ipv4Addr::new(10, 0, 0, 7).into());
    let detected = load(Sources {
        detect: own,
        ..sources("", &env)
    })
    .unwrap()
    .config;
    assert_eq!(detected.agent_jetty.advertised.host, "10.0.0.7");

    let named = [
        env[0],
        env[1],
        ("SW_AGENT_JETTY_ADVERTISED_HOST", "a.example"),
        ("SW_UI_JETTY_ADVERTISED_HOST", "b.example"),
    ];
    assert_eq!(
        loaded("", &named).config.agent_jetty.advertised.host,
        "a.example"
    );
}

#[test]
fn a_machine_without_a_default_route_advertises_the_only_address_that_it_has() {
    let chosen = |addresses: &[&str]| choose(addresses.iter().map(|it| it.parse().unwrap()));
    let only = Detected::Address(Ipv4Addr::new(10, 0, 0, 7).into());
    assert_eq!(chosen(&["127.0.0.1", "::1", "fe80::1", "10.0.0.7"]), only);
    assert_eq!(chosen(&["2001:db8::7", "10.0.0.7", "169.254.1.1"]), only);
    assert_eq!(
        chosen(&["2001:db8::7"]),
        Detected::Address("2001:db8::7".parse().unwrap())
    );
    assert_eq!(chosen(&["127.0.0.1", "::1"]), Detected::None);
    let found = load(Sources {
        detect: || {
            let addresses = ["10.0.0.8", "10.0.0.7"].into_iter();
            choose(addresses.map(|it| it.parse().unwrap()))
        },
        ..sources("agent_jetty: {jetty: {host: '::'}}", &[])
    });
    let found = found.unwrap_err().to_string();
    assert!(
        found.contains("has several addresses (10.0.0.7, 10.0.0.8)")
            && found.contains("SW_AGENT_JETTY_ADVERTISED_HOST"),
        "{found}"
    );
}

#[test]
fn variables_that_mean_nothing_are_named_with_the_one_that_may_be_meant() {
    let env = [
        ("SW_AGENT_GRPC_PROT", "11800"),
        ("SW_STORAGE_PHAT", "/x"),
        ("SW_STORAGE_H2_URL", "jdbc"),
        ("SW_AGENT_NAME", "orders"),
        ("SW_MINE", "x"),
        ("SW_EMPTY", ""),
        ("PATH", "/bin"),
    ];
    let loaded = loaded("naming: {jetty: {host: '${SW_MINE:localhost}'}}", &env);
    assert_eq!(
        loaded.unknown_variables,
        [
            "SW_AGENT_GRPC_PROT (did you mean SW_AGENT_GRPC_PORT?)",
            "SW_STORAGE_H2_URL",
            "SW_STORAGE_PHAT (did you mean SW_STORAGE_PATH?)",
        ]
    );
}

#[test]
fn faces_share_a_listener_only_on_a_chosen_port() {
    let config = loaded("", &[]).config;
    assert!(
        config
            .remote
            .listen
            .is_shared_with(&config.agent_grpc.listen)
    );
    let config = Config::for_test(Path::new("/nowhere"));
    assert!(
        !config
            .remote
            .listen
            .is_shared_with(&config.agent_grpc.listen)
    );
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("${SW_STORAGE_PATH:x}".to_owned()),
        "[ -~]{1,20}",
        "\\PC{1,8}",
        "[\\x00-\\x1f\"\\\\#:'${}\\u{85}\\u{2028}]{1,6}"
    ]
}

proptest! {
    #[test]
    fn what_is_printed_loads_to_the_same(path in any_text(), port: u16, millis in 1_u64..1_000_000, bytes in 1_usize..65536) {
        let mut config = loaded("", &[]).config;
        config.storage.embedded.path = path.into();
        config.ui.listen.port = port;
        config.register.deadline = Duration::from_millis(millis);
        config.register.max_name_bytes = bytes;
        prop_assert_eq!(loaded(&config.to_yaml(), &[]).config, config);
    }

    #[test]
    fn no_document_panics(text in "[a-z:\\-\\[\\]{}&*!|>'\"#%@` \\n$]{0,60}") {
        if let Err(error) = load(sources(&text, &[])) {
            prop_assert!(!error.problems.is_empty());
        }
    }
}

#[test]
fn the_readme_has_the_reference_table() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("<!-- configuration: begin").unwrap();
    let (_, rest) = rest.split_once("-->\n").unwrap();
    let (table, _) = rest.split_once("<!-- configuration: end").unwrap();
    assert_eq!(
        table.trim(),
        reference().trim(),
        "README.md has to have the right-hand one"
    );
}
