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
