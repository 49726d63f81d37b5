//! The syntax of files: every form of a value, and every mistake.

use super::super::keys::{Field, KEYS};
use super::*;

/// Texts that YAML 1.1, 1.2 or both do not read as text, and `a`, which both read as text.
const ODD: [&str; 34] = [
    "0089123",
    "007",
    "1e3",
    "1.10",
    "12345678901234567890123",
    "yes",
    "No",
    "on",
    "y",
    "true",
    "False",
    "null",
    "Null",
    "0x1F",
    "0o17",
    "0b11",
    "1_000",
    "12:30:45",
    "190:20:30",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "+12",
    "-0",
    ".5",
    ".inf",
    "-.INF",
    ".nan",
    "1e400",
    "0.1e-7",
    "00",
    "1.0",
    "=",
    "a",
    "0",
];

/// The value of `agent_gRPC.gRPC.authentication` in a file.
fn token(written: &str) -> Result<String, Vec<String>> {
    let file = format!("agent_gRPC:\n  gRPC:\n    authentication: {written}\n");
    match load(sources(&file, &[])) {
        Ok(loaded) => Ok(loaded.config.agent_grpc.authentication.expose().to_owned()),
        Err(error) => Err(error.problems.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn every_text_key_keeps_the_text_of_the_file() {
    for key in KEYS.iter().filter(|key| key.field.is_text()) {
        for text in ODD {
            let mut config = Config::default();
            if key.field.set(&mut config, text).is_err() {
                continue;
            }
            let expected = match key.field {
                Field::Secret(at) | Field::Password(at) | Field::Credentials(at) => {
                    at(&mut config).expose().to_owned()
                }
                field => field.get(&mut config),
            };
            for written in [
                text.to_owned(),
                format!("'{text}'"),
                format!("\"{text}\""),
                format!("!!str {text}"),
                format!("! {text}"),
                format!("&anchor {text}"),
                format!("|\n      {text}"),
                format!(">-\n      {text}"),
                format!("{text} # a comment"),
            ] {
                let file = format!(
                    "{}:\n  {}:\n    {}: {written}\n",
                    key.module, key.provider, key.name
                );
                let document = super::super::document::parse(&file).unwrap();
                let layer = layers::read(
                    document,
                    &Origin::File("my.yml".to_owned()),
                    &BTreeMap::new(),
                );
                assert_eq!(layer.problems, [], "{file}");
                let given = layer.values.get(&key.path());
                let mut config = Config::default();
                key.field.set(&mut config, &given.unwrap().text).unwrap();
                let given = match key.field {
                    Field::Secret(at) | Field::Password(at) | Field::Credentials(at) => {
                        at(&mut config).expose().to_owned()
                    }
                    field => field.get(&mut config),
                };
                assert_eq!(given, expected, "{file}");
            }
        }
    }
}

#[test]
fn tokens_keep_the_text_of_the_file() {
    for text in ODD {
        assert_eq!(token(text).as_deref(), Ok(text));
    }
    for (written, text) in [
        ("", ""),
        ("~", ""),
        ("!!null null", ""),
        ("'it''s'", "it's"),
        ("\"a\\x2Fb\\u0021\"", "a/b!"),
        ("|\n      s3cret\n\n", "s3cret"),
        (">\n      s3cret", "s3cret"),
        ("!!int 0089123", "0089123"),
        ("a#b", "a#b"),
        ("a:b", "a:b"),
    ] {
        assert_eq!(token(written).as_deref(), Ok(text), "{written}");
    }
    for written in [
        "!!binary aGVsbG8=",
        "!mine x",
        "two words",
        "|\n      a\n      b",
    ] {
        assert!(token(written).is_err(), "{written}");
    }
}

#[test]
fn numbers_are_plain_digits_and_null_is_not_one() {
    let port = |written: &str| {
        load(sources(
            &format!("naming: {{jetty: {{port: {written}}}}}"),
            &[],
        ))
    };
    for (written, expected) in [
        ("7", 7),
        ("'7'", 7),
        ("\"7\"", 7),
        ("!!int 7", 7),
        ("null", 10800),
        ("~", 10800),
        ("", 10800),
    ] {
        assert_eq!(
            port(written).unwrap().config.naming.listen.port,
            expected,
            "{written}"
        );
    }
    for written in [
        "010", "0x1F", "0o17", "1_000", "1e3", "12:30", "7.0", "+7", "yes", "'null'",
    ] {
        assert!(port(written).is_err(), "{written}");
    }
}

#[test]
fn anchors_aliases_and_merge_keys_work_as_in_upstreams_reader() {
    let file = "
naming: {jetty: &listen {host: &host localhost, port: 1}}
remote: {gRPC: {<<: *listen, port: 2}}
agent_jetty: {jetty: {<<: [*listen, {port: 9}], port: 3}}
ui: {jetty: {host: *host, port: 3}}
agent_gRPC: {gRPC: *listen}
";
    let config = loaded(file, &[]).config;
    let listen = [
        &config.naming.listen,
        &config.remote.listen,
        &config.agent_jetty.listen,
    ];
    assert!(listen.iter().all(|listen| listen.host == "localhost"));
    assert_eq!(listen.map(|listen| listen.port), [1, 2, 3]);
    assert_eq!(config.ui.listen, config.agent_jetty.listen);
    assert_eq!(config.agent_grpc.listen, config.naming.listen);
}

#[test]
fn a_duplicate_name_is_reported_with_both_lines() {
    for (file, expected) in [
        (
            "naming:\n  jetty:\n    port: 1\nnaming:\n  jetty:\n    port: 2\n",
            "my.yml: naming: occurs twice, at lines 1 and 4",
        ),
        (
            "naming:\n  jetty:\n    port: 1\n    port: 2\n",
            "my.yml: naming.jetty.port: occurs twice, at lines 3 and 4",
        ),
        (
            "naming:\n  jetty:\n    contextPath: /\n    context_path: /\n",
            "my.yml: naming.jetty.context_path: occurs twice, at lines 3 and 4, in two spellings or places",
        ),
        (
            "naming:\n  jetty:\n    port: 1\nagent_server:\n  jetty:\n    port: 1\n",
            "my.yml: naming.jetty.port: occurs twice, at lines 3 and 6, in two spellings or places",
        ),
        (
            "naming:\n  jetty:\n---\nui:\n  jetty:\n",
            "my.yml: line 3: a second document begins here, and the first one at line 1: remove the line between them (`---` or \
             `...`) and write each module once",
        ),
    ] {
        assert_eq!(problems(file, &[]), [expected]);
    }
    assert_eq!(
        loaded("---\nnaming: {jetty: {port: 1}}\n...\n", &[])
            .config
            .naming
            .listen
            .port,
        1
    );
}

#[test]
fn an_unfilled_template_is_one_error_with_its_text() {
    let file = "naming:\n  jetty:\n    host: {NAMING_BIND_HOST}\n    port: {{ .Values.port }}\n";
    let found = problems(file, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("my.yml: is a template whose placeholders were not filled in: ")
            && found[0].contains("naming.jetty.host is {NAMING_BIND_HOST} (line 3)")
            && found[0].contains("naming.jetty.port is {{ .Values.port }} (line 4)"),
        "{found:?}"
    );
    for (value, shown) in [
        ("<HOST>", "\"<HOST>\" is not allowed"),
        ("@HOST@", "in `host: @HOST@`"),
        ("%HOST%", "in `host: %HOST%`"),
        (
            "[HOST]",
            "takes one value, not a list or a map: [HOST] (line 3)",
        ),
        ("$HOST", "\"$HOST\" is not allowed"),
    ] {
        let found = problems(&format!("naming:\n  jetty:\n    host: {value}\n"), &[]);
        assert!(found.len() == 1 && found[0].contains(shown), "{found:?}");
    }
}

#[test]
fn no_message_shows_a_secret() {
    for written in [
        "@s3cret",
        "{s3cret}",
        "[s3cret]",
        "%s3cret",
        "s3cret two",
        "a${s3cret",
        "\"s3cret",
    ] {
        let found = token(written).unwrap_err().join("\n");
        assert!(!found.contains("s3cret"), "{written}: {found}");
    }
}

#[test]
fn names_of_3_2_3_are_the_modules_of_today() {
    let file = "
agent_server: {jetty: {host: a, port: 1, context_path: /x}}
agent_stream:
  grpc: {host: b, port: 2}
  jetty: {host: c, port: 3, context_path: /}
  config: {buffer_offset_max_file_size: 10M}
collector_inside: {grpc: {host: d, port: 4}}
ui: {jetty: {host: localhost, port: 5}}
";
    let loaded = loaded(file, &[]);
    let config = loaded.config;
    let listen = [
        config.naming.listen,
        config.agent_grpc.listen,
        config.agent_jetty.listen,
        config.remote.listen,
    ];
    let listen = listen.map(|listen| format!("{}:{}", listen.host, listen.port));
    assert_eq!(listen, ["a:1", "b:2", "c:3", "d:4"]);
    assert_eq!(loaded.ignored, ["agent_stream.config"]);
}

#[test]
fn a_secret_without_quotes_is_not_lost_silently_and_not_shown() {
    let file = |value: &str| {
        format!("agent_gRPC: {{gRPC: {{port: 7}}}}\nui:\n  jetty:\n    token: {value}\n")
    };
    for value in ["&s3cret", "!s3cret"] {
        let found = problems(&file(value), &[]);
        let [problem] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(
            problem.contains("line 4") && problem.contains("quotes"),
            "{problem}"
        );
        assert!(!problem.contains("s3cret"), "{problem}");
    }
    for (value, warned) in [("#s3cret", true), ("", true), ("''", false), ("a#b", false)] {
        let keys = loaded(&file(value), &[]).without_secret;
        let expected = if warned { &["ui.jetty.token"][..] } else { &[] };
        assert_eq!(keys, expected, "{value}");
    }
    let by_variable = loaded(&file(""), &[("SW_UI_JETTY_TOKEN", "s3cret")]);
    assert!(by_variable.without_secret.is_empty());
}

#[test]
fn a_document_cannot_grow_without_bound() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [&*below; 8].join(", ")
        ));
    }
    let found = problems(&bomb, &[]);
    assert!(found[0].contains("more than 20000 values"), "{found:?}");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(problems(&deep, &[])[0].contains("nested deeper"));
    assert!(problems("a: &a [*a]", &[])[0].contains("alias"));
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    let plain =
        "%YAML 1.1\n---\nagent_gRPC:\n  gRPC:\n    authentication: |\n      0089123\n    port: 7\n";
    for file in [
        plain.to_owned(),
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{plain}"),
        format!("{plain}...\n# the end"),
    ] {
        let config = loaded(&file, &[]).config.agent_grpc;
        assert_eq!(config.authentication.expose(), "0089123", "{file:?}");
        assert_eq!(config.listen.port, 7, "{file:?}");
    }
    let found = problems("naming:\n\tjetty:\n", &[]);
    assert!(
        found[0].starts_with("my.yml: line 2: is not YAML: tab"),
        "{found:?}"
    );
}
