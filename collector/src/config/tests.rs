use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

mod addresses;
mod documents;
mod precedence;
mod rules;
mod upstream;

use super::advertise::choose;
use super::keys::{Field, KEYS};
use super::modules::MODULES;
use super::{
    ClusterProvider, Config, Detected, Loaded, Origin, Sources, StorageProvider, layers, load,
    placeholder, print, reference,
};

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
fn the_bundled_file_has_every_key_of_the_table_with_its_variable_and_a_default() {
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
fn the_reference_shows_the_meaning_of_the_bundled_file() {
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
        // The default of a key may be the variable of another.
        let default = placeholder::resolve(default, &BTreeMap::new());
        let default = default.unwrap().text;
        key.field.set(&mut from_table, &default).unwrap();
        // An empty default is completed from other keys.
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
fn a_token_is_never_shown_and_its_placeholder_is_not_a_token() {
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
fn the_etcd_of_the_store_takes_omitted_settings_from_the_cluster() {
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
    // The store's namespace is separate: the collector keeps its own.
    let apart = namespace(&[store, ("SW_STORAGE_ETCD_NAMESPACE", "/")]);
    assert_eq!(apart, ("staging".to_owned(), "/".to_owned()));
    let embedded = [("SW_CLUSTER", "standalone"), ("SW_STORAGE", "embedded")];
    assert_eq!(namespace(&embedded).0, "staging");
}

#[test]
fn a_selector_ignores_the_other_providers() {
    let file = "storage: {selector: '${CHOICE:embedded}', elasticsearch: {clusterName: x}, embedded: {path: /var/ids}}";
    assert_eq!(
        loaded(file, &[]).config.storage.embedded.path,
        Path::new("/var/ids")
    );
    assert!(problems(file, &[("CHOICE", "elasticsearch")])[0].contains("SW_STORAGE=embedded"));
    assert!(problems("storage: {h2: , embedded: }", &[])[0].contains("several providers"));
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
agent_jetty: {jetty: {authentication: 's3cret with spaces'}}
ui: 5
";
    let expected = [
        "my.yml: naming.jetty.prot: unknown key; did you mean port?",
        "my.yml: agent_grpc: unknown module; did you mean agent_gRPC?",
        "my.yml: liveness.default.tick: takes one value",
        "my.yml: server.standard: unknown provider; allowed: default",
        "my.yml: register.default.deadline: the variable NOBODY is not set",
        "my.yml: register.default.queue_capacity: occurs twice",
        "my.yml: agent_gRPC.gRPC.ssl_cert_chain_file: the listeners share one certificate",
        "my.yml: mail: unknown module; allowed: naming, remote,",
        "my.yml: ui: providers must be below it",
        "my.yml: naming.jetty.port: \"abc\" is not allowed; allowed: a port, 0 to 65535",
        "my.yml: agent_jetty.jetty.authentication: its value is not allowed; allowed: ASCII",
        "SW_UI_JETTY_PORT: ui.jetty.port: \"99999\" is not allowed; allowed: a port, 0 to 65535",
        "SW_UI_JETTY_TOKEN: ui.jetty.token: its value is not allowed; allowed: ASCII",
        "my.yml: liveness.default.silent_after: \"120\" is not allowed; allowed: a duration with a unit",
    ];
    let found = problems(
        file,
        &[
            ("SW_UI_JETTY_PORT", "99999"),
            ("SW_UI_JETTY_TOKEN", "a s3cret"),
        ],
    );
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
    assert!(!found.concat().contains("s3cret"));
}

#[test]
fn invalid_yaml_is_a_problem_of_the_file() {
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

#[test]
fn unknown_variables_are_named_with_the_most_similar_known_one() {
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
    fn the_printed_configuration_loads_to_the_same(path in any_text(), port: u16, millis in 1_u64..1_000_000, bytes in 1_usize..65536) {
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
fn the_page_of_the_configuration_has_the_reference_table() {
    let page = include_str!("../../docs/configuration.md");
    let (_, rest) = page.split_once("<!-- configuration: begin").unwrap();
    let (section, _) = rest.split_once("<!-- configuration: end").unwrap();
    // On the page each module has a heading and a table of its own.
    let rows = |text: &str| {
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        rows.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        rows(section),
        rows(&reference()),
        "docs/configuration.md has to have the right-hand rows"
    );
}
