//! Tests users' files in `tests/cases/` (its README describes each): the exact result of each with the real binary.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use rollcall_tests::process::{Collector, Options, Run};
use serde_json::Value;
use tonic::Code;

const BAD_CONFIGURATION: Option<i32> = Some(64);
const GOOD: &str = "the configuration is valid";
const IGNORED: &str = "parts of the configuration file that Rollcall does not use are ignored";
const ALONE: &str = "Rollcall does not have it: Rollcall stores only ids, in local files or in etcd; set SW_STORAGE=embedded (local files \
                     in SW_STORAGE_PATH), or SW_STORAGE=etcd; the file can stay as it is";
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

/// The log of a run: each line as its message with one field, if it has one; the file by its name.
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

/// The lines of the effective configuration with this prefix.
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
async fn malformed_files_are_refused_in_the_operators_words() {
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
                 SW_STORAGE_ETCD_ENDPOINTS=host:2379 (ZooKeeper, if it is used, stays for the members), or run one collector \
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
            vec!["14-name-twice.yml: naming: is given twice, at lines 1 and 4".to_owned()],
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
async fn the_changes_that_an_error_names_work() {
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
async fn the_namespace_of_a_5_x_file_is_that_of_the_store() {
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
async fn connect_strings_mean_what_they_mean_to_zookeeper() {
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
async fn keys_of_a_provider_that_reads_none_are_one_warning() {
    let warning = format!("{IGNORED} parts=cluster.standalone");
    accepted("13-standalone-with-keys.yml", &[], &[&warning]).await;
}

#[tokio::test]
async fn a_token_is_read_literally_from_the_file() {
    let options = options("05-token-with-leading-zero.yml");
    // A token for only one kind of agents is a warning.
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

#[tokio::test]
async fn a_port_of_localhost_in_use_is_not_taken_at_another_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let run = options("07-localhost.yml")
        .env("SW_NAMING_JETTY_PORT", &port)
        .run()
        .await;
    assert_eq!(run.code, Some(1), "{run:#?}");
    let last = logged(&run).pop();
    let expected =
        format!("cannot listen on localhost port {port}: Address already in use (os error 98)");
    assert_eq!(last, Some(expected));
    drop(taken);
    let mut collector = options("07-localhost.yml").start().await;
    assert!(collector.listeners().naming.is_ipv4());
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn wildcards_advertise_the_only_address_of_a_machine_without_a_default_route() {
    let is_allowed = Command::new("unshare").args(["-rn", "true"]).status();
    if !is_allowed.is_ok_and(|status| status.success()) {
        eprintln!(
            "this machine allows no network of the test's own; unit tests of config have the same cases"
        );
        return;
    }
    let inside = |addresses: &str| {
        let script = format!(
            "ip link add v0 type veth peer name v1; {addresses} ip link set v0 up; exec \"$0\" \"$@\""
        );
        options("16-wildcards.yml")
            .env("SW_UI_JETTY_ALLOW_ANONYMOUS", "true")
            .through(&["unshare", "-rn", "sh", "-c", &script])
    };
    let one = inside("ip addr add 10.9.8.7/24 dev v0;").argument("--print-config");
    let run = one.run().await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(
        run.stdout.matches("advertised_host: \"10.9.8.7\"").count(),
        4,
        "{run:#?}"
    );
    let two = "ip addr add 10.9.8.7/24 dev v0; ip addr add 10.9.8.8/24 dev v0;";
    let run = inside(two).argument("--check").run().await;
    let errors = ["remote.gRPC", "agent_gRPC.gRPC", "agent_jetty.jetty", "ui.jetty"].map(|face| {
        let variable = format!("SW_{}_ADVERTISED_HOST", face.replace(['.', '_'], "_").to_uppercase());
        let variable = variable.replace("AGENT_GRPC_GRPC", "AGENT_GRPC").replace("AGENT_JETTY_JETTY", "AGENT_JETTY");
        format!(
            "16-wildcards.yml: {face}.host: 0.0.0.0 is no address that other machines can connect to, and this machine has \
             several addresses (10.9.8.7, 10.9.8.8): set {face}.advertised_host ({variable}) to the one that they use"
        )
    });
    assert_eq!(
        (run.code, logged(&run)),
        (BAD_CONFIGURATION, errors.to_vec())
    );
}

/// The mistakes that `--check` detects on the machine, each with the source and the key of its value.
#[tokio::test]
async fn a_check_resolves_hosts_reads_files_and_tries_the_data_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(at("file"), "no certificate").expect("a file");
    let (file, missing) = (at("file"), at("missing.pem"));
    let below_a_file = format!("{file}/data");
    let env = [
        ("SW_NAMING_JETTY_HOST", "no-such-host.invalid"),
        ("SW_AGENT_GRPC_HOST", "203.0.113.7"),
        ("SW_CLUSTER", "etcd"),
        ("SW_CLUSTER_ETCD_ENDPOINTS", "no-such-etcd.invalid:2379"),
        ("SW_CLUSTER_ETCD_CA_FILE", &*file),
        ("SW_CLUSTER_ETCD_CERT_FILE", &*missing),
        ("SW_CLUSTER_ETCD_KEY_FILE", &*missing),
        ("SW_STORAGE", "etcd"),
        ("SW_AGENT_GRPC_PROT", "11800"),
    ];
    let (code, lines) = check("13-standalone-with-keys.yml", &env).await;
    let begins = [
        "unknown variables that begin with SW_ are ignored variables=SW_AGENT_GRPC_PROT (did you mean \
         SW_AGENT_GRPC_PORT?)",
        "SW_NAMING_JETTY_HOST: naming.jetty.host: no-such-host.invalid cannot be resolved on this machine: ",
        "SW_AGENT_GRPC_HOST: agent_gRPC.gRPC.host: 203.0.113.7 is no address of this machine",
        "SW_CLUSTER_ETCD_ENDPOINTS: cluster.etcd.endpoints: no-such-etcd.invalid:2379 cannot be resolved on this machine: ",
        &format!(
            "SW_CLUSTER_ETCD_CA_FILE: cluster.etcd.ca_file: {file} holds no certificate in PEM format"
        ),
        &format!(
            "SW_CLUSTER_ETCD_CERT_FILE: cluster.etcd.cert_file: cannot read {missing}: No such file"
        ),
    ];
    assert_eq!(code, BAD_CONFIGURATION, "{lines:#?}");
    assert!(lines.len() >= begins.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(
            line.starts_with(begin),
            "{line} does not begin with {begin}"
        );
    }
    for (path, error) in [
        (
            &file,
            format!("{file} cannot be written: it is no directory"),
        ),
        (
            &below_a_file,
            format!("{below_a_file} cannot be created in {file}: it is no directory"),
        ),
    ] {
        let error = format!("SW_STORAGE_PATH: storage.embedded.path: {error}");
        refused("07-localhost.yml", &[("SW_STORAGE_PATH", path)], &[&error]).await;
    }
}

/// Stock files of upstream that work unchanged, with warnings for the ignored parts.
#[tokio::test]
async fn stock_files_work_unchanged_without_the_parts_that_rollcall_ignores() {
    const OF_5: &str = "analysis_jvm, analysis_register, analysis_segment_parser, ";
    for (file, ignored) in [
        ("3.2.3.yml", "agent_stream.config"),
        ("3.2.3-default.yml", "agent_stream.config"),
        ("3.2.5.yml", "agent_stream.default"),
        ("3.2.6.yml", "agent_stream.default"),
    ] {
        let warning = format!("{IGNORED} parts={ignored}");
        accepted(&format!("stock/{file}"), &[], &[&warning]).await;
    }
    for (file, provider, ignored) in [
        ("3.2.5-default.yml", "h2", "agent_stream.default, cache, cluster.standalone, gRPC_manager, jetty_manager, queue".to_owned()),
        ("5.0.0-alpha.yml", "elasticsearch", format!("{OF_5}configuration")),
        ("5.0.0-beta.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        ("5.0.0-beta2.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        ("5.0.0-GA.yml", "elasticsearch", format!("{OF_5}cache, configuration")),
        (
            "5.0.0-alpha-default.yml",
            "h2",
            "analysis_alarm, analysis_metric, analysis_segment_parser, cache, cluster.standalone, configuration, gRPC_manager, \
             jetty_manager"
                .to_owned(),
        ),
        (
            "5.0.0-GA-default.yml",
            "h2",
            "analysis_alarm, analysis_jvm, analysis_metric, analysis_register, analysis_segment_parser, cache, \
             cluster.standalone, configuration, gRPC_manager, jetty_manager"
                .to_owned(),
        ),
    ] {
        let file = format!("stock/{file}");
        let error = format!("{file}: storage.{provider}: {ALONE}");
        refused(&file, &[], &[&error]).await;
        let warning = format!("{IGNORED} parts={ignored}");
        accepted(&file, &[("SW_STORAGE", "embedded")], &[&warning]).await;
    }
}

/// The placeholders that the images of 3.2 fill in before they start: one error names all of them.
#[tokio::test]
async fn the_templates_of_the_docker_images_name_all_that_is_to_be_changed_at_once() {
    for (file, values) in [
        ("3.2.3-docker.yml", 11),
        ("3.2.5-docker.yml", 11),
        ("3.2.6-docker.yml", 11),
    ] {
        let file = format!("stock/{file}");
        let (code, errors) = check(&file, &[]).await;
        assert_eq!((code, errors.len()), (BAD_CONFIGURATION, 2), "{errors:#?}");
        assert_eq!(errors[0].matches(" is {").count(), values, "{errors:#?}");
        assert!(
            errors[0].contains("cluster.zookeeper.host_port is {ZK_ADDRESSES} (line 3)"),
            "{errors:#?}"
        );
        assert_eq!(
            errors[1],
            format!("{file}: storage.elasticsearch: {SHARED}")
        );
    }
}
