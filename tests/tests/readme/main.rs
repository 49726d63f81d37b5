//! Tests the README and the pages of `collector/docs`: each command block runs unchanged.
//!
//! A doctest of `rollcall-agent` compiles the Rust block of the README. [`BLOCKS`] lists all blocks. A block that is not in the
//! list, or that the list does not tell apart from another one, fails [`every_block_is_covered`].

mod blocks;
mod metrics;
mod shell;

use std::time::Duration;

use blocks::{Block, blocks};
use rollcall_tests::engine::directory_in_memory;
use shell::Shell;

/// The test of each block, by the block's language and first line.
const BLOCKS: &[(&str, &str, &str)] = &[
    (
        "sh",
        "cargo run --release -- demo",
        "the_demo_runs_and_stops_on_interrupt",
    ),
    (
        "sh",
        "target/release/rollcall-collector roster",
        "the_demo_runs_and_stops_on_interrupt",
    ),
    (
        "text",
        "application orders: 1 up, 1 down",
        "an answer of the demo",
    ),
    ("mermaid", "sequenceDiagram", "a picture"),
    ("toml", "[dependencies]", "the dependency of the doctest"),
    ("rust,no_run", "use std::time::Duration;", "a doctest"),
    (
        "sh",
        "cargo build --release",
        "three_collectors_share_an_etcd",
    ),
    (
        "sh",
        "curl 127.0.0.1:10801/agent/gRPC",
        "three_collectors_share_an_etcd",
    ),
    (
        "sh",
        "mkdir -p /tmp/rollcall-tls",
        "a_certificate_is_made_and_served",
    ),
    (
        "sh",
        "curl --cacert /tmp/rollcall-tls/ca.crt",
        "a_certificate_is_made_and_served",
    ),
    ("json", "{\"id\": 1,", "an answer of the demo"),
    ("text", "event: instance", "an answer of the demo"),
    ("text", "SW_CLUSTER=etcd", "the contents of a file"),
    ("text", "# name  hash", "the contents of a file"),
    (
        "text",
        "curl -d '[\"rollcall-probe\"]'",
        "the target `moving` of these tests",
    ),
    (
        "text",
        "rollcall-collector --data-dir ./data store import",
        "the target `moving` of these tests",
    ),
];

/// The longest time of a block that builds the release binary.
const BUILD: Duration = Duration::from_secs(900);

fn block(first_line: &str) -> Block {
    blocks()
        .into_iter()
        .find(|block| block.first_line().starts_with(first_line))
        .unwrap_or_else(|| panic!("no page has a block that begins with `{first_line}`"))
}

#[test]
fn every_block_is_covered() {
    let found: Vec<_> = blocks()
        .iter()
        .map(|block| (block.language.clone(), block.first_line().to_owned()))
        .collect();
    for (language, line) in &found {
        assert!(
            BLOCKS
                .iter()
                .any(|(known, start, _)| language == known && line.starts_with(start)),
            "no test covers the {language} block that begins with `{line}`"
        );
    }
    for (known, start, _) in BLOCKS {
        let matching = found
            .iter()
            .filter(|(language, line)| language == known && line.starts_with(start));
        assert_eq!(
            matching.count(),
            1,
            "the {known} blocks that begin with `{start}`"
        );
    }
}

#[test]
fn the_demo_runs_and_stops_on_interrupt() {
    let block = block("cargo run --release -- demo");
    let [demo] = block.commands()[..] else {
        panic!("not one command: {block:?}")
    };
    let mut shell = Shell::start();
    shell.run(&format!("{demo} &"), BUILD);
    shell.run(
        "until curl -sf 127.0.0.1:12800/readyz; do sleep 0.2; done",
        BUILD,
    );
    let look = self::block("target/release/rollcall-collector roster");
    let [roster, why, applications] = look.commands()[..] else {
        panic!("not three commands: {look:?}")
    };
    let ready = format!("until [ \"$({roster} | grep -c ' up ')\" = 4 ]; do sleep 0.2; done");
    shell.run(&ready, Duration::from_secs(60));
    let answer = shell.run(why, Duration::from_secs(30));
    assert!(answer.contains("application orders: 2 up"), "{answer}");
    let answer = shell.run(applications, Duration::from_secs(30));
    assert!(answer.contains(r#""code":"stock""#), "{answer}");
    let naming = shell.run(
        "curl -sf 127.0.0.1:10800/agent/gRPC",
        Duration::from_secs(30),
    );
    assert_eq!(naming, r#"["127.0.0.1:11800"]"#);
    let status = shell.run("kill -INT %1; wait %1; echo $?", Duration::from_secs(60));
    assert_eq!(status.lines().last(), Some("0"), "{status}");
}

#[test]
fn three_collectors_share_an_etcd() {
    let data = directory_in_memory();
    let data = data.path().join("etcd").display().to_string();
    let start = block("cargo build --release")
        .text
        .replace("/tmp/rollcall-etcd", &data);
    let mut shell = Shell::start();
    shell.run(&start, BUILD);
    for port in [12801, 12802, 12803] {
        let ready = format!("until curl -sf 127.0.0.1:{port}/readyz; do sleep 0.2; done");
        shell.run(&ready, Duration::from_secs(60));
    }
    let all = r#"["127.0.0.1:11801","127.0.0.1:11802","127.0.0.1:11803"]"#;
    let listed = format!(
        "until [ \"$(curl -s 127.0.0.1:10801/agent/gRPC)\" = '{all}' ]; do sleep 0.2; done"
    );
    shell.run(&listed, Duration::from_secs(60));

    let look = block("curl 127.0.0.1:10801/agent/gRPC");
    let [naming, members, leave] = look.commands()[..] else {
        panic!("not three commands: {look:?}")
    };
    assert_eq!(shell.run(naming, Duration::from_secs(30)), all);
    let answer = shell.run(members, Duration::from_secs(30));
    assert_eq!(
        answer.matches(r#""state":"serving""#).count(),
        3,
        "{answer}"
    );
    assert_eq!(
        shell.run(leave, Duration::from_secs(30)),
        r#"["127.0.0.1:11801","127.0.0.1:11803"]"#
    );
}

#[test]
fn a_certificate_is_made_and_served() {
    let own = tempfile::tempdir().expect("a temporary directory");
    let own = own.path().join("tls").display().to_string();
    let text = |first_line| block(first_line).text.replace("/tmp/rollcall-tls", &own);
    let mut shell = Shell::start();
    shell.run("cargo build --release", BUILD);
    shell.run(&text("mkdir -p /tmp/rollcall-tls"), BUILD);
    let ready = format!(
        "until curl -sf --cacert {own}/ca.crt https://localhost:12800/readyz; do sleep 0.2; done"
    );
    shell.run(&ready, Duration::from_secs(60));
    let look = text("curl --cacert /tmp/rollcall-tls/ca.crt");
    let answer = shell.run(&look, Duration::from_secs(60));
    for expected in [
        r#""ready":true"#,
        "this port serves TLS only",
        r#"["127.0.0.1:11800"]"#,
        "notAfter=",
    ] {
        assert!(answer.contains(expected), "{answer}");
    }
    shell.run("kill %1; wait %1", Duration::from_secs(60));
}
