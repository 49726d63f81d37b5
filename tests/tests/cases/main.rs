//! Tests the exact result of the real binary for each file of users in `tests/cases/`. The README of that directory describes the
//! files.

mod check;
mod machine;
mod neighbours;
mod stock;

use std::path::{Path, PathBuf};

use rollcall_tests::process::{Collector, Options, Run};
use serde_json::Value;
use tonic::Code;

const BAD_CONFIGURATION: Option<i32> = Some(64);
const GOOD: &str = "the configuration is valid";
const IGNORED: &str = "parts of the configuration file that Rollcall does not use are ignored";
const SHARED: &str = "Rollcall does not have it: collectors of one cluster share their ids in etcd; set SW_STORAGE=etcd and \
                      SW_STORAGE_ETCD_ENDPOINTS=host:2379 (the `cluster` module of the file can stay), or run one collector \
                      alone with SW_CLUSTER=standalone and SW_STORAGE=embedded; the file can stay as it is";

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn options(file: &str) -> Options {
    let path = cases().join(file);
    Collector::options()
        .argument("--config")
        .argument(path.to_str().expect("a path in UTF-8"))
}

/// The log of a run. Each line is its message followed by its fields, and paths of case files are shortened to their names.
fn logged(run: &Run) -> Vec<String> {
    let directory = format!("{}/", cases().display());
    let lines = run.stderr.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let fields = line["fields"].as_object().expect("fields").iter();
        let message = line["fields"]["message"].as_str().expect("a message");
        let others = fields.filter(|(name, _)| *name != "message");
        let others =
            others.map(|(name, value)| format!(" {name}={}", value.as_str().unwrap_or_default()));
        let text: String = others.collect();
        format!("{message}{text}").replace(&directory, "")
    });
    lines.collect()
}

async fn check(file: &str, env: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let options = env.iter().fold(options(file), |options, (name, value)| {
        options.env(*name, *value)
    });
    let run = options.argument("--check").run().await;
    (run.code, logged(&run))
}

/// Checks that `--check` accepts the file and prints only these warnings.
async fn accepted(file: &str, env: &[(&str, &str)], warnings: &[&str]) {
    let mut expected: Vec<String> = warnings.iter().map(|it| (*it).to_owned()).collect();
    expected.push(GOOD.to_owned());
    assert_eq!(
        check(file, env).await,
        (Some(0), expected),
        "{file} {env:?}"
    );
}

/// Checks that `--check` refuses the file with these errors only.
async fn refused(file: &str, env: &[(&str, &str)], errors: &[&str]) {
    let expected = errors.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(
        check(file, env).await,
        (BAD_CONFIGURATION, expected),
        "{file} {env:?}"
    );
}

/// The lines of the effective configuration that begin with `key`.
async fn effective(file: &str, env: &[(&str, &str)], key: &str) -> Vec<String> {
    let options = env.iter().fold(options(file), |options, (name, value)| {
        options.env(*name, *value)
    });
    let run = options.argument("--print-config").run().await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    let lines = run.stdout.lines().map(str::trim);
    let lines = lines.filter(|line| line.starts_with(key));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn malformed_files_are_refused_with_the_key_and_the_line() {
    let template = |keys: &str| {
        format!(
            "17-template-not-filled-in.yml: is a template whose placeholders were not filled in: {keys}; write the values, or \
             ${{NAME:default}} to take them from variables"
        )
    };
    for (file, errors) in [
        (
            "06-namespace-in-the-file.yml",
            vec![
                "06-namespace-in-the-file.yml: cluster: collectors of one cluster share their ids in etcd, and \
                 storage.embedded is the store of one collector: set SW_STORAGE=etcd and \
                 SW_STORAGE_ETCD_ENDPOINTS=host:2379 (ZooKeeper, if it is used, still holds the member list), or run one collector \
                 alone with SW_CLUSTER=standalone"
                    .to_owned(),
            ],
        ),
        (
            "12-gbk-comment.yml",
            vec!["12-gbk-comment.yml: line 1: is not UTF-8: save the file as UTF-8".to_owned()],
        ),
        (
            "14-name-twice.yml",
            vec!["14-name-twice.yml: naming: occurs twice, at lines 1 and 4".to_owned()],
        ),
        (
            "15-zookeeper-and-elasticsearch.yml",
            vec![format!(
                "15-zookeeper-and-elasticsearch.yml: storage.elasticsearch: {SHARED}"
            )],
        ),
        (
            "17-template-not-filled-in.yml",
            vec![template(
                "naming.jetty.host is {NAMING_BIND_HOST} (line 3), naming.jetty.port is {NAMING_BIND_PORT} (line 4)",
            )],
        ),
    ] {
        let errors: Vec<&str> = errors.iter().map(String::as_str).collect();
        refused(file, &[], &errors).await;
    }
}

#[tokio::test]
async fn the_changes_that_an_error_suggests_work() {
    let file = "15-zookeeper-and-elasticsearch.yml";
    let alone = [("SW_CLUSTER", "standalone"), ("SW_STORAGE", "embedded")];
    accepted(file, &alone, &[]).await;
    let shared = [
        ("SW_STORAGE", "etcd"),
        ("SW_STORAGE_ETCD_ENDPOINTS", "127.0.0.1:2379"),
    ];
    accepted(file, &shared, &[]).await;
    accepted("06-namespace-in-the-file.yml", &shared, &[]).await;
}

#[tokio::test]
async fn the_namespace_of_a_5_x_file_is_used_for_the_store() {
    let etcd = [("SW_STORAGE", "etcd")];
    for (file, namespace) in [
        ("06-namespace-in-the-file.yml", "staging"),
        ("09-namespace-of-two-levels.yml", "team/prod"),
    ] {
        let line = format!("namespace: \"{namespace}\"");
        let both = [line.clone(), line];
        assert_eq!(effective(file, &etcd, "namespace:").await, both);
    }
}

#[tokio::test]
async fn connect_strings_are_read_as_zookeeper_reads_them() {
    let etcd = [("SW_STORAGE", "etcd")];
    for (file, servers) in [
        ("09-zookeeper-default-port.yml", "zk1:2181,zk2:2181"),
        ("09-zookeeper-chroot.yml", "127.0.0.1:2181/apps/skywalking"),
    ] {
        let line = format!("host_port: \"{servers}\"");
        assert_eq!(effective(file, &etcd, "host_port:").await, [line]);
    }
    accepted("09-zookeeper-chroot.yml", &etcd, &[]).await;
    accepted("09-namespace-of-two-levels.yml", &etcd, &[]).await;
}

#[tokio::test]
async fn keys_of_a_provider_without_keys_give_one_warning() {
    let warning = format!("{IGNORED} parts=cluster.standalone");
    accepted("13-standalone-with-keys.yml", &[], &[&warning]).await;
}

#[tokio::test]
async fn a_token_is_read_literally_from_the_file() {
    let options = options("05-token-with-leading-zero.yml");
    // Requiring a token over only one protocol is a warning, so the test sets both tokens.
    let collector = options
        .env("SW_AGENT_JETTY_AUTHENTICATION", "007")
        .start()
        .await;
    let client = collector.grpc().await;
    assert_eq!(
        client.application_as("0089123", "orders").await.unwrap(),
        -1
    );
    for token in ["89123", "00089123"] {
        let refused = client.application_as(token, "carts").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{token}");
    }
}

#[test]
fn every_case_file_has_a_test() {
    let tests = [
        include_str!("main.rs"),
        include_str!("machine.rs"),
        include_str!("stock.rs"),
        include_str!("../../../agent/src/config/cases.rs"),
        include_str!("../../../collector/tests/faces/lenient.rs"),
        include_str!("../../../collector/tests/faces/v2.rs"),
    ]
    .concat();
    for directory in [cases(), cases().join("stock")] {
        for entry in std::fs::read_dir(directory).expect("the cases") {
            let entry = entry.expect("a file");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let is_listed = tests.contains(&format!("{name}\""));
            let is_case = name != "README.md" && entry.path().is_file();
            assert!(is_listed || !is_case, "{name} has no test");
        }
    }
}
