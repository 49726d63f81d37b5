//! Tests the alert rules and the dashboard with a real Prometheus that scrapes a collector.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{Child, Collector, free_addresses},
};
use serde_json::Value;

fn deploy(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/deploy");
    root.join(file)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in a text: all words that begin like a metric of a collector.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("rollcall_") || word.starts_with("process_"))
        .collect()
}

/// The names under which Prometheus stores the families of an exposition.
fn stored(exposition: &str) -> BTreeSet<String> {
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let series = types.filter_map(|line| line.split_once(' '));
    let series = series.flat_map(|(name, kind)| {
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
    });
    series.collect()
}

/// The expressions of every panel, variable and annotation of a dashboard.
fn expressions(dashboard: &Value) -> Vec<&str> {
    match dashboard {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match (&**key, value) {
                ("expr" | "query", Value::String(expression)) => vec![&**expression],
                _ => expressions(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool")
        .args(arguments)
        .arg(file)
        .output()
        .expect("promtool");
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {output:?}"
    );
}

/// A Prometheus that scrapes `collector` each second, with the rules of the repository.
struct Prometheus {
    _process: Child,
    client: http::Client,
    _files: tempfile::TempDir,
}

impl Prometheus {
    async fn start(collector: SocketAddr) -> Self {
        let files = tempfile::tempdir().unwrap();
        // The rules without `for`, so that alerts fire at once, and with a day of steps that a short test has.
        let rules: Vec<_> = text(&deploy("prometheus/rules.yml"))
            .lines()
            .filter(|line| !line.trim().starts_with("for: "))
            .map(|line| line.replace("[1d:5m]", "[5m:1s]"))
            .collect();
        fs::write(files.path().join("rules.yml"), rules.join("\n")).unwrap();
        let configuration = text(&deploy("prometheus/prometheus.yml"));
        let targets = configuration
            .lines()
            .find(|line| line.trim().starts_with("- targets:"))
            .expect("targets");
        let configuration = configuration
            .replace("15s", "1s")
            .replace(targets, &format!("      - targets: [\"{collector}\"]"));
        let file = files.path().join("prometheus.yml");
        fs::write(&file, configuration).unwrap();
        promtool(&["check", "config"], &file);
        let [address] = free_addresses();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                files.path().join("data").display()
            ));
        let process = Child::spawn("prometheus", &mut command);
        let client = http::Client::new(address);
        eventually(PATIENCE, async || match client.get("/-/ready").await {
            Ok(reply) if reply.status.is_success() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        Self {
            _process: process,
            client,
            _files: files,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.client.get(path).await.expect("prometheus");
        reply.json::<Value>()["data"].clone()
    }

    /// The alerts of this name that fire.
    async fn firing(&self, name: &str) -> Vec<Value> {
        let alerts = self.get("/api/v1/alerts").await;
        let alerts = alerts["alerts"].as_array().cloned().unwrap_or_default();
        alerts
            .into_iter()
            .filter(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing")
            .collect()
    }
}

#[tokio::test]
async fn every_metric_that_a_rule_or_the_dashboard_names_exists() {
    let collector = Collector::start().await;
    let admin = collector.http(collector.listeners().ui);
    let exposition = admin.get("/metrics").await.unwrap().text();
    let stored = stored(&exposition);
    let rules = text(&deploy("prometheus/rules.yml"));
    let dashboard: Value =
        serde_json::from_str(&text(&deploy("grafana/rollcall.json"))).expect("JSON");
    let expressions = expressions(&dashboard).join("\n");
    assert!(expressions.contains("rollcall_leases"), "{expressions}");
    let missing: Vec<_> = names(&rules)
        .into_iter()
        .chain(names(&expressions))
        .filter(|name| !stored.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no such metrics: {missing:?}");
}

#[test]
fn the_page_of_alerts_explains_each_one() {
    let page = text(&deploy("../docs/metrics.md"));
    let rules = text(&deploy("prometheus/rules.yml"));
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<_> = alerts
        .filter(|alert| !page.contains(&format!("`{alert}`")))
        .collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn the_rules_pass_their_own_tests() {
    promtool(&["check", "rules"], &deploy("prometheus/rules.yml"));
    promtool(&["test", "rules"], &deploy("prometheus/rules_test.yml"));
}

/// Waits until the value of a query is one. A scrape that takes longer than a second fails, and the next one may succeed.
async fn is_one(prometheus: &Prometheus, query: &str) {
    eventually(PATIENCE, async || {
        let answer = prometheus
            .get(&format!("/api/v1/query?query={query}"))
            .await;
        (answer["result"][0]["value"][1] == "1")
            .then_some(())
            .ok_or(answer)
    })
    .await;
}

#[tokio::test]
async fn prometheus_scrapes_a_collector_and_alerts_about_applications_that_are_down() {
    let collector = Collector::options()
        .terms(Duration::from_secs(1), Duration::from_secs(2))
        .env("SW_UI_JETTY_MAX_APPLICATION_METRICS", "2")
        .start()
        .await;
    let prometheus = Prometheus::start(collector.listeners().ui).await;
    let grpc = collector.grpc().await;
    let mut instances = Vec::new();
    for name in ["orders", "payments", "stock"] {
        let application = grpc.application(name).await.unwrap();
        instances.push(grpc.instance(application, name).await.unwrap());
    }
    // The alerts are about fewer instances than before, so Prometheus must have seen these up.
    eventually(PATIENCE, async || {
        for instance in &instances {
            grpc.heartbeat(*instance).await.unwrap();
        }
        let query = "/api/v1/query?query=sum(max_over_time(rollcall_instances%7Bstate=%22up%22%7D%5B1m:1s%5D))";
        let seen = prometheus.get(query).await;
        (seen["result"][0]["value"][1] == "3").then_some(()).ok_or(seen)
    })
    .await;
    // None of the instances sends another signal.
    let alerts = eventually(PATIENCE, async || {
        let mostly = prometheus.firing("RollcallApplicationMostlyDown").await;
        let some = prometheus.firing("RollcallInstancesDown").await;
        let all = prometheus.get("/api/v1/alerts").await;
        (mostly.len() == 2 && some.len() == 2)
            .then_some(mostly)
            .ok_or(all)
    })
    .await;
    let applications: BTreeSet<_> = alerts
        .iter()
        .map(|alert| alert["labels"]["application"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        applications.is_subset(&["orders", "payments", "stock"].map(str::to_owned).into()),
        "{applications:?}"
    );
    for query in ["sum(rollcall_instances%7Boverflow=%22true%22%7D)", "up"] {
        is_one(&prometheus, query).await;
    }
    // Prometheus has evaluated every rule without an error.
    let rules = eventually(PATIENCE, async || {
        let rules = prometheus.get("/api/v1/rules").await;
        let groups = rules["groups"].as_array().cloned().unwrap_or_default();
        let health: Vec<_> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .map(|rule| rule["health"].as_str().unwrap_or_default().to_owned())
            .collect();
        (!health.contains(&"unknown".to_owned()))
            .then_some(health)
            .ok_or(rules)
    })
    .await;
    assert!(rules.iter().all(|health| health == "ok"), "{rules:?}");
    assert!(rules.len() > 10, "{rules:?}");
}

#[tokio::test]
async fn every_budget_of_the_listeners_has_a_gauge_and_a_configuration_key() {
    let collector = Collector::start().await;
    let admin = collector.http(collector.listeners().ui);
    let metrics = admin.get("/metrics").await.expect("the metrics");
    for budget in ["requests", "answers", "waiting", "connections"] {
        let limit = format!("rollcall_budget_limit_bytes{{budget=\"{budget}\"}} ");
        assert!(metrics.text().contains(&limit), "{limit}");
    }
    let headroom = admin.get("/api/headroom").await.expect("the limits");
    let all: Vec<Value> = headroom.json();
    let waiting = "memory of answers that wait for room";
    assert!(all.iter().any(|it| it["name"] == waiting), "{all:?}");
    let memory = all.iter().filter(|it| {
        let name = it["name"].as_str().unwrap_or_default();
        name.starts_with("memory of ") && name != "memory of the process"
    });
    for gauge in memory {
        assert!(gauge["key"].is_string(), "{gauge}");
    }
}
