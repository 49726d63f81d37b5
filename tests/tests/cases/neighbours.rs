//! Tests the answer of `--check` to more mistakes of the kinds in `tests/cases`, in files that these tests write.

use std::path::Path;

use rollcall_tests::process::Collector;

use super::{BAD_CONFIGURATION, GOOD, logged};

/// The result of `--check` for a file `my.yml` with this text.
async fn checked(
    directory: &Path,
    text: &[u8],
    env: &[(&str, &str)],
) -> (Option<i32>, Vec<String>) {
    let file = directory.join("my.yml");
    std::fs::write(&file, text).expect("a file");
    let options = Collector::options().argument("--config");
    let options = options.argument(file.to_str().expect("a path in UTF-8"));
    let options = env
        .iter()
        .fold(options, |options, (name, value)| options.env(*name, *value));
    let run = options.argument("--check").run().await;
    let directory = format!("{}/", directory.display());
    let lines = logged(&run).into_iter();
    let lines = lines.map(|line| line.replace(&directory, ""));
    (run.code, lines.collect())
}

#[tokio::test]
async fn malformed_files_are_refused_with_the_line_and_the_remedy() {
    const BELOW: &str = "must be below it, each as `name: ...` with a space after the colon";
    let cases: &[(&[u8], &str)] = &[
        (
            b"naming:\n  jetty:\n    context_path:/x\n",
            &format!("naming.jetty: keys {BELOW} (line 2)"),
        ),
        (
            b"naming:\n  - jetty\n",
            &format!("naming: providers {BELOW} (line 1)"),
        ),
        (b"- naming\n", &format!("modules {BELOW} (line 1)")),
        (
            b"naming:\n  jetty:\n    tls:\n      - off\n",
            "naming.jetty.tls: takes one value, not a list or a map (line 3)",
        ),
        (
            b"naming:\n  jetty:\n    null: 1\n",
            "naming.jetty.null: unknown key; allowed: host, port, tls, context_path",
        ),
        (
            b"naming:\n\tjetty:\n",
            "line 2: is not YAML: tabs disallowed within this context (block indentation), in `jetty:`; put a text with \
             special characters in quotes",
        ),
        (
            b"naming:\n  jetty:\n    host: *other\n",
            "line 3: is not YAML: while parsing node, found unknown anchor, in `host: *other`; put a text with special \
             characters in quotes",
        ),
        (
            b"naming:\n  jetty:\n    host: !!binary bG9jYWxob3N0\n",
            "line 3: the tag !!binary has no meaning here: remove it",
        ),
        (
            b"naming:\n  jetty:\n...\n---\nui:\n",
            "line 4: a second document begins here, and the first one at line 1: remove the line between them (`---` or `...`) \
             and write each module once",
        ),
        (
            b"naming:\n  jetty:\n    host: ${A:${B:127.0.0.1}\n",
            "naming.jetty.host: a `${` has no closing brace; `$${` stands for the text `${`",
        ),
        (
            b"naming:\n  jetty:\n    host: ${A}\n",
            "naming.jetty.host: the variable A is not set, and ${A} has no default",
        ),
        (
            b"\xff\xfen\0a\0m\0e\0:\0",
            "is UTF-16: save the file as UTF-8",
        ),
    ];
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (text, error) in cases {
        assert_eq!(
            checked(directory.path(), text, &[]).await,
            (BAD_CONFIGURATION, vec![format!("my.yml: {error}")]),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[tokio::test]
async fn unusual_files_are_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for text in [
        &b""[..],
        b"null\n",
        b"# nothing\n",
        b"\xef\xbb\xbfnaming:\n  jetty:\n    host: localhost\n",
        b"naming:\r\n  jetty:\r\n    host: localhost\r\n",
        b"naming:\r  jetty:\r    host: localhost\r",
        b"naming:\n  jetty:\n    ? host\n    : localhost\n",
        b"naming:\n  jetty:\n    host: >+\n      localhost\n\n\n",
        b"naming:\n  jetty:\n    host: ${A:${B:localhost}}\n    tls:\n",
        b"naming: {jetty: {host: &a localhost}}\nui: {jetty: {host: *a}}\n",
    ] {
        assert_eq!(
            checked(directory.path(), text, &[]).await,
            (Some(0), vec![GOOD.to_owned()]),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[tokio::test]
async fn a_wrong_value_of_a_variable_names_the_variable() {
    const HOST: &str =
        "\"a b\" is not allowed; allowed: a host name or an IP address, without scheme and port";
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = b"naming:\n  jetty:\n    host: ${MINE:${OTHER:localhost}}\n";
    for variable in ["MINE", "OTHER"] {
        let expected = format!("my.yml (variable {variable}): naming.jetty.host: {HOST}");
        assert_eq!(
            checked(directory.path(), file, &[(variable, "a b")]).await,
            (BAD_CONFIGURATION, vec![expected])
        );
    }
    // This variable occurs in the default of another key.
    let expected = format!("SW_AGENT_GRPC_HOST: agent_gRPC.gRPC.host: {HOST}");
    assert_eq!(
        checked(directory.path(), b"", &[("SW_AGENT_GRPC_HOST", "a b")]).await,
        (BAD_CONFIGURATION, vec![expected])
    );
}
