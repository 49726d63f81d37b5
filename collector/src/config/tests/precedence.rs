//! The precedence of the layers.

use super::*;

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

/// A file that moves the agents' listeners moves the listeners of the members and of the console too.
#[test]
fn a_module_without_a_listener_of_its_own_has_that_of_its_source() {
    let file = "agent_jetty: {jetty: {host: 127.0.0.2, port: 13800, tls: 'off'}}\n\
                agent_gRPC: {gRPC: {host: 127.0.0.3, port: 13801, tls: optional}}";
    let config = loaded(file, &[]).config;
    assert_eq!(config.ui.listen, config.agent_jetty.listen);
    assert_eq!(config.ui.tls, config.agent_jetty.tls);
    assert_eq!(config.remote.listen, config.agent_grpc.listen);
    assert_eq!(config.remote.tls, config.agent_grpc.tls);
    assert_eq!(config.ui.listen.port, 13800);
    let variables = [
        ("SW_AGENT_JETTY_PORT", "1"),
        ("SW_UI_JETTY_HOST", "127.0.0.9"),
    ];
    let config = loaded(file, &variables).config;
    assert_eq!(
        (config.ui.listen.host.as_str(), config.ui.listen.port),
        ("127.0.0.9", 1)
    );
    let own = format!("{file}\nui: {{jetty: {{port: 2}}}}");
    let config = loaded(&own, &[]).config;
    assert_eq!(
        (config.ui.listen.host.as_str(), config.ui.listen.port),
        ("127.0.0.2", 2)
    );
    // A mistake in an inherited value is reported once, and a rule on it names the key that is set.
    let found = problems("agent_jetty: {jetty: {port: x}}", &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = problems("agent_jetty: {jetty: {host: a.example}}", &[]);
    let begin = "my.yml: agent_jetty.jetty.host: without a token every caller";
    assert!(found.len() == 1 && found[0].starts_with(begin), "{found:?}");
}

/// Whether the key accepts any text.
fn takes_any_text(key: &super::super::keys::Key) -> bool {
    matches!(key.field, Field::Directory(_) | Field::File(_))
}

#[test]
fn a_wrong_value_names_its_variable_and_its_key_once() {
    const WRONG: &str = "a b\n";
    for (at, key) in KEYS
        .iter()
        .enumerate()
        .filter(|(_, key)| !takes_any_text(key))
    {
        // Two keys may have one variable.
        let first = KEYS.iter().position(|other| other.env == key.env);
        if first == Some(at) {
            let found = problems("", &[(key.env, WRONG)]);
            let begin = format!("{}: {}: ", key.env, key.path());
            assert!(
                found.len() == 1 && found[0].starts_with(&begin),
                "{found:#?}"
            );
        }
        let file = format!(
            "{}: {{{}: {{{}: '${{MINE:}}'}}}}",
            key.module, key.provider, key.name
        );
        let begin = format!("my.yml (variable MINE): {}: ", key.path());
        let found = problems(&file, &[("MINE", WRONG)]);
        assert!(
            found.len() == 1 && found[0].starts_with(&begin),
            "{found:#?}"
        );
    }
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
    // The value of a variable cannot become structure.
    assert!(problems(file, &[("NODE", "x\nport: 1")])[0].contains("naming.jetty.host"));
}
