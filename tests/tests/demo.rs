//! Tests the promises of the welcome text of `demo`.

use std::{path::Path, process::Command, time::Duration};

use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{Child, Collector, Line, collector_binary},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The samples, by their names in log lines and the query API.
const SAMPLES: [&str; 4] = ["orders-1", "orders-2", "payments-1", "stock-1"];

fn start(journal: &Path) -> Child {
    let mut command = Command::new(collector_binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SW_")) {
        command.env_remove(name);
    }
    for port in ["NAMING_JETTY", "AGENT_GRPC", "AGENT_JETTY", "NACOS"] {
        command.env(format!("SW_{port}_PORT"), "0");
    }
    // Variables as on a machine whose collector is a member of a cluster. The demo must ignore them.
    command.env("SW_STORAGE", "etcd").env("SW_CLUSTER", "etcd");
    command.env("SW_CLUSTER_ETCD_ENDPOINTS", "127.0.0.1:1");
    command.env("SW_TIMELINE_JOURNAL_PATH", journal);
    Child::spawn("the demo", command.args(["--log-format", "json", "demo"]))
}

/// The address after `http://` in the line of the welcome text that begins with `label`.
async fn address(demo: &Child, label: &str) -> std::net::SocketAddr {
    let found = demo.stdout.find(PATIENCE, |lines| {
        let line = lines.iter().find(|line| line.trim().starts_with(label))?;
        let address = line.split("http://").nth(1)?.split('/').next()?;
        address.parse().ok()
    });
    found.await.expect("the welcome text")
}

async fn states(admin: &http::Client) -> Vec<(String, String)> {
    let applications: Value = admin.get("/api/applications").await.unwrap().json();
    let mut states = Vec::new();
    for application in applications["items"].as_array().unwrap() {
        let path = format!("/api/applications/{}/instances", application["id"]);
        let instances: Value = admin.get(&path).await.unwrap().json();
        for instance in instances["items"].as_array().unwrap() {
            let text = |key: &str| instance[key].as_str().unwrap_or_default().to_owned();
            states.push((text("uuid"), text("state")));
        }
    }
    states.sort();
    states
}

#[tokio::test]
async fn a_killed_sample_is_reported_silent_and_down_within_the_terms_of_the_welcome_text() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let mut demo = start(&journal);
    let admin = http::Client::new(address(&demo, "console").await);
    let named = demo.stdout.find(PATIENCE, |lines| {
        let output = lines.join("\n");
        let terms = ["silent after 10 s", "down after 20 s"];
        terms.iter().all(|term| output.contains(term)).then_some(())
    });
    named.await.expect("the terms in the text");

    let expect = |victim: &'static str| {
        SAMPLES.map(|name| {
            let state = if name == "orders-1" { victim } else { "up" };
            (name.to_owned(), state.to_owned())
        })
    };
    let reported = async |victim, within| {
        eventually(within, async || match states(&admin).await {
            states if states == expect(victim) => Ok(()),
            states => Err(states),
        })
        .await;
    };
    reported("up", PATIENCE).await;

    let started = demo.stderr.find(PATIENCE, |lines| {
        let lines = lines.iter().map(|line| Line::parse(line));
        lines
            .filter(|line| line.message == "sample started")
            .find(|line| line.text("instance") == Some("orders-1"))
    });
    let started = started.await.expect("the log line of the sample");
    let pid = started.fields["pid"].as_i64().expect("a process id");
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    reported("silent", Duration::from_secs(10) + PATIENCE).await;
    reported("down", Duration::from_secs(10) + PATIENCE).await;
    let lines = demo.stderr.so_far();
    let down = lines.iter().map(|line| Line::parse(line));
    let down = down.filter(|line| line.message == "instance down");
    let [down] = &down.collect::<Vec<_>>()[..] else {
        panic!("one sample is down: {lines:#?}")
    };
    let named = |key| down.text(key).map(str::to_owned);
    assert_eq!(named("application"), Some("orders".to_owned()));
    assert_eq!(named("instance"), Some("orders-1".to_owned()));
    assert_eq!(named("pid"), Some(pid.as_raw_nonzero().to_string()));
    assert!(named("host").is_some(), "{down:?}");
    let reason = named("reason").expect("a reason");
    assert!(reason.starts_with("its connection was"), "{reason}");

    demo.signal(Signal::TERM);
    let status = demo.exit(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{:#?}", demo.stderr.so_far());
    assert!(!journal.exists(), "the demo has its own journal");
}

/// If the user sets one term, the demo keeps the defaults of the other terms, which fit the user's term.
#[tokio::test]
async fn the_demo_adds_short_terms_only_if_none_is_set() {
    for (set, silent, down) in [(None, "10s", "20s"), (Some("30s"), "30s", "5m")] {
        let options = Collector::options();
        let options = match set {
            Some(term) => options.env("SW_LIVENESS_SILENT_AFTER", term),
            None => options,
        };
        let run = options.argument("--print-config").argument("demo");
        let run = run.run().await;
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        for line in [
            format!("silent_after: {silent}"),
            format!("down_after: {down}"),
        ] {
            assert!(run.stdout.contains(&line), "{}", run.stdout);
        }
    }
}
