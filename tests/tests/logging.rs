//! Tests the format of the log and its level.

use std::{
    fs,
    process::{Command, Output},
};

use rollcall_tests::{
    nacos,
    process::{Collector, Level, Line, collector_binary},
};
use rustix::process::Signal;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// Runs `--check` with these arguments and variables.
fn check(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(collector_binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SW_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").arg("--check");
    command.env("SW_STORAGE_PATH", data.path().join("data"));
    for port in ["NAMING_JETTY", "AGENT_GRPC", "AGENT_JETTY", "NACOS"] {
        command.env(format!("SW_{port}_PORT"), "0");
    }
    command.envs(variables.iter().copied());
    command.args(arguments).output().unwrap()
}

/// The lines of the log, if every line is JSON.
fn json(output: &Output) -> Option<Vec<Line>> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = text.lines();
    lines
        .map(|line| line.starts_with('{').then(|| Line::parse(line)))
        .collect()
}

#[test]
fn the_configuration_sets_the_log_format_and_an_argument_overrides_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("application.yml");
    fs::write(&file, "log:\n  default:\n    format: json\n").unwrap();
    let file = file.to_str().unwrap();

    let good = "the configuration is valid";
    let message = |output: &Output| Some(json(output)?.last()?.message.clone());
    for arguments in [&["--config", file][..], &["--log-format", "json"]] {
        let output = check(arguments, &[]);
        assert_eq!(message(&output).as_deref(), Some(good), "{output:?}");
    }
    let output = check(&[], &[("SW_LOG_FORMAT", "json")]);
    assert_eq!(message(&output).as_deref(), Some(good), "{output:?}");
    let output = check(&["--config", file, "--log-format", "human"], &[]);
    assert!(json(&output).is_none(), "{output:?}");
    let quiet = [("SW_LOG_FORMAT", "json"), ("SW_LOG_LEVEL", "warn")];
    assert!(check(&[], &quiet).stderr.is_empty());
    let loud = [quiet[0], quiet[1], ("RUST_LOG", "info")];
    assert_eq!(message(&check(&[], &loud)).as_deref(), Some(good));
}

#[test]
fn mistakes_of_the_configuration_are_logged_in_the_requested_format() {
    let wrong = [("SW_LOG_FORMAT", "json"), ("SW_LOG_LEVEL", "a=b=c")];
    let output = check(&[], &wrong);
    assert_eq!(output.status.code(), Some(64));
    let [line] = &json(&output).expect("JSON")[..] else {
        panic!("one mistake: {output:?}")
    };
    assert!(line.message.contains("SW_LOG_LEVEL"), "{line:?}");
}

#[test]
fn a_word_that_is_not_a_level_is_refused_instead_of_silencing_the_log() {
    const WRONG: &str = "\"warning\" is not allowed; allowed: error, warn, info, debug, trace or off, or several of MODULE=LEVEL";
    for (arguments, variables, origin) in [
        (
            &[][..],
            &[("SW_LOG_LEVEL", "warning")][..],
            "SW_LOG_LEVEL: log.default.level",
        ),
        (&[], &[("RUST_LOG", "warning")], "RUST_LOG"),
        (&["--log-level", "warning"], &[], "--log-level"),
    ] {
        let output = check(arguments, variables);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{errors}");
        assert!(errors.contains(&format!("{origin}: {WRONG}")), "{errors}");
    }
}

#[tokio::test]
async fn a_signal_changes_the_level_of_a_running_collector() {
    let mut collector = Collector::start().await;
    // Connects without showing a protocol. The collector logs the end of such a connection at level DEBUG.
    let connect = async |collector: &Collector| {
        let connected = TcpStream::connect(collector.listeners().grpc).await;
        connected.unwrap().write_all(b"GE").await.unwrap();
    };
    let details = |collector: &Collector| {
        let log = collector.log();
        let details = log.iter().filter(|line| line.level <= Level::Debug);
        details.count()
    };
    let changed = async |collector: &Collector, signal, filter: &str| {
        collector.signal(signal);
        let is_changed = |line: &Line| line.message == "log level changed";
        collector
            .wait_for_log(|line| is_changed(line) && line.text("filter") == Some(filter))
            .await;
    };
    connect(&collector).await;
    assert_eq!(details(&collector), 0);

    changed(&collector, Signal::USR1, "debug").await;
    connect(&collector).await;
    collector
        .wait_for_log(|line| line.level == Level::Debug)
        .await;
    changed(&collector, Signal::USR1, "debug,rollcall=trace,h2=off").await;

    changed(&collector, Signal::USR2, "info").await;
    let before = details(&collector);
    connect(&collector).await;
    assert!(collector.terminate().await.success());
    assert_eq!(details(&collector), before);
}

#[tokio::test]
async fn the_departure_of_a_service_instance_is_logged_with_its_reason() {
    let (collector, faces) = nacos::collector(Collector::options()).await;
    let http = collector.http(faces.http);
    let path =
        |more: &str| format!("/nacos/v1/ns/instance?serviceName=stock&ip=10.0.0.1&port={more}");
    // No client sends beats for this instance, so it is unhealthy after one second and removed after two.
    let terms = "metadata=%7B%22preserved.heart.beat.timeout%22%3A%221000%22%2C%22preserved.ip.delete.timeout%22%3A%222000%22%7D";
    http.post(&path(&format!("80&{terms}")), "").await.unwrap();
    for (message, level, reason) in [
        ("service instance unhealthy", Level::Warn, "no beat arrived"),
        ("service instance lost", Level::Warn, "no beat arrived"),
    ] {
        let line = collector.wait_for_log(|line| line.message == message).await;
        assert_eq!(line.level, level);
        let text = |field| line.text(field).unwrap_or_default();
        assert!(text("reason").contains(reason), "{line:?}");
        assert!(text("service").contains("stock"), "{line:?}");
        assert_eq!(
            (text("address"), text("cluster")),
            ("10.0.0.1:80", "DEFAULT")
        );
    }
    http.post(&path("81"), "").await.unwrap();
    let path = path("81");
    let removed = http.send(http::Method::DELETE, &path, Vec::new().into());
    assert_eq!(removed.await.unwrap().status, 200);
    let line = collector
        .wait_for_log(|line| line.message == "service instance left")
        .await;
    assert_eq!(line.text("address"), Some("10.0.0.1:81"));
}
