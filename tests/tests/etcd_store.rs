//! Tests the store in etcd: it stays small, and a collector survives changes of its keys by other programs.

use std::time::Duration;

use rollcall_etcd::{Config, proto::WatchCreateRequest};
use rollcall_proto::{
    common::KeyWithStringValue,
    management::{InstanceProperties, v3::ManagementServiceClient},
};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    engine::{Etcd, Server},
    eventually,
    grpc::Client,
    process::{Collector, Options},
};
use serde_json::Value;
use tokio::task::JoinSet;

const STORE: &str = "/rollcall/store";

fn options() -> Options {
    patient().env("SW_LIVENESS_WRITE_BACK_INTERVAL", "200ms")
}

/// Options for a busy machine, on which etcd takes longer than the default deadline.
fn patient() -> Options {
    Collector::options().env("SW_REGISTER_DEADLINE", "20s")
}

/// A report of the same process with properties that differ in each report, about 15 KiB in total.
fn report(number: usize) -> InstanceProperties {
    let pair = |place: usize| KeyWithStringValue {
        key: format!("{place}"),
        value: format!("{number} {}", "x".repeat(1000)),
    };
    InstanceProperties {
        service: "orders".to_owned(),
        service_instance: "process".to_owned(),
        properties: (0..15).map(pair).collect(),
    }
}

async fn metric(member: &Member, name: &str) -> Result<u64, String> {
    member.collector.query().metric(name).await
}

/// A regression test: etcd closed connections that were pinged too often, so collectors that nobody called read the store anew every
/// few seconds.
#[tokio::test]
async fn a_watch_without_changes_stays_open() {
    // etcd closes the connection after the third ping that comes too soon after another; pings are due after 5 s.
    const LONG: Duration = Duration::from_secs(20);
    let etcd = Server::<Etcd>::start().await;
    let config = Config {
        endpoints: vec![etcd.address().to_string()],
        ..Config::default()
    };
    let client = rollcall_etcd::Client::new(&config).unwrap();
    let watched = WatchCreateRequest {
        key: b"a".to_vec(),
        ..WatchCreateRequest::default()
    };
    let mut watch = client.watch(watched).await.unwrap();
    let ended = tokio::time::timeout(LONG, watch.next()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reports_of_one_instance_take_one_key_and_a_few_writes() {
    const REPORTS: usize = 1000;
    let cluster = Cluster::start_with(1, options).await;
    let member = &cluster.members[0];
    let channel = member.collector.grpc().await.channel;
    let mut agent = ManagementServiceClient::new(channel);
    agent.report_instance_properties(report(0)).await.unwrap();
    let before = cluster.etcd.bytes_in_use().await;
    for number in 1..=REPORTS {
        agent
            .report_instance_properties(report(number))
            .await
            .unwrap();
    }
    let grown = cluster.etcd.bytes_in_use().await.saturating_sub(before);
    assert!(grown < 4 * 1024 * 1024, "etcd has grown by {grown} bytes");
    assert!(cluster.etcd.count(&format!("{STORE}/changed/")).await <= 1);
    assert!(cluster.etcd.count(&format!("{STORE}/log/")).await <= 2);
    assert!(
        metric(member, "rollcall_changes_delayed_total")
            .await
            .unwrap()
            > 0
    );
}

/// The reason why the contents of the store degrade the member's readiness, if they do.
async fn stored(member: &Member) -> Result<Option<String>, String> {
    let client = member.collector.http(member.collector.listeners().ui);
    let body: Value = client.get("/readyz").await?.json();
    Ok(body["reasons"]["stored"].as_str().map(str::to_owned))
}

async fn works(member: &Member, code: &str) {
    let client = member.collector.grpc().await;
    eventually(PATIENCE, async || {
        let id = client.application(code).await;
        id.map_err(|status| status.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_run_and_start_despite_garbage_below_the_prefix() {
    let mut cluster = Cluster::start_with(2, options).await;
    let client = cluster.members[0].collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    client.heartbeat(instance).await.unwrap();
    for key in [
        "seen/0000000007",
        "seen/0000000000",
        "seen/x",
        "log/garbage",
        "changed/x",
        "changed/0000000001",
        "snapshot/x",
    ] {
        cluster.etcd.put(&format!("{STORE}/{key}"), b"x").await;
    }
    for member in &mut cluster.members {
        member
            .collector
            .expect_log("a key of the store was skipped");
    }
    for member in &cluster.members {
        eventually(PATIENCE, async || {
            match metric(member, "rollcall_store_damaged_total").await? {
                0 => Err("no damage was counted".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        works(member, "stock").await;
    }
    cluster.join().await;
    cluster.members[2]
        .collector
        .expect_log("a key of the store was skipped");
    works(&cluster.members[2], "pay").await;
    cluster.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_entry_is_detected_and_named() {
    let mut cluster = Cluster::start_with(1, options).await;
    cluster.members[0]
        .collector
        .expect_log("the store is damaged");
    for number in 0..5 {
        works(&cluster.members[0], &number.to_string()).await;
    }
    let key = format!("{STORE}/log/{:020}", 2);
    cluster.etcd.delete(&key).await;
    let member = &cluster.members[0];
    eventually(PATIENCE, async || match stored(member).await? {
        Some(reason) if reason.contains(&key) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    // The member continues with the data in its memory, and a starting collector names the missing entry.
    works(member, "later").await;
    let refused = Collector::options()
        .env("SW_CLUSTER", "etcd")
        .env(
            "SW_CLUSTER_ETCD_ENDPOINTS",
            cluster.etcd.address().to_string(),
        )
        .env("SW_STORAGE", "etcd")
        .run();
    let refused = tokio::time::timeout(Duration::from_secs(60), refused)
        .await
        .expect("the collector did not end");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(&key), "{}", refused.stderr);
}

/// Registers these names concurrently, and returns the failures.
async fn failures(client: &Client, names: Vec<String>) -> Vec<(String, tonic::Status)> {
    let mut calls = JoinSet::new();
    for name in names {
        let client = client.clone();
        calls.spawn(async move {
            let id = client.application(&name).await;
            id.err().map(|status| (name, status))
        });
    }
    calls.join_all().await.into_iter().flatten().collect()
}

fn large_names() -> Options {
    patient()
        .env("SW_STORAGE", "etcd")
        .env("SW_REGISTER_MAX_NAME_BYTES", "65536")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_etcd_refuses_fails_alone() {
    let etcd = Server::<Etcd>::start_with(&["--max-request-bytes", "16384"]).await;
    let endpoint = etcd.address().to_string();
    let options = large_names().env("SW_STORAGE_ETCD_ENDPOINTS", endpoint);
    let mut collector = options.start().await;
    collector.expect_log("the store refused a batch");
    let client = collector.grpc().await;
    for round in 0..3 {
        let mut names: Vec<_> = (0..60).map(|number| format!("{round}.{number}")).collect();
        let large = format!("{round}{}", "x".repeat(40_000));
        names.insert(30, large.clone());
        let failed = failures(&client, names).await;
        let [(name, status)] = &failed[..] else {
            panic!("{failed:?}");
        };
        assert_eq!(*name, large);
        assert!(status.message().contains("cannot be stored"), "{status}");
    }
    let probe = collector.http(collector.listeners().ui);
    assert_eq!(probe.get("/readyz").await.unwrap().status, 200);
    let ready: Value = probe.get("/readyz").await.unwrap().json();
    assert_eq!(ready["status"], "ready", "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_concurrent_names_are_stored_in_parts_that_etcd_accepts() {
    let etcd = Server::<Etcd>::start().await;
    let endpoint = etcd.address().to_string();
    let options = large_names().env("SW_STORAGE_ETCD_ENDPOINTS", endpoint);
    let mut collector = options.start().await;
    // The names have almost 4 MiB, and etcd accepts 1.5 MiB in a transaction.
    let names: Vec<_> = (0..60)
        .map(|number| format!("{number:02}{}", "x".repeat(65_000)))
        .collect();
    let client = collector.grpc().await;
    assert!(failures(&client, names.clone()).await.is_empty());
    let id = client.application(&names[7]).await.unwrap();
    collector.kill();
    collector.restart().await;
    let client = collector.grpc().await;
    assert_eq!(client.application(&names[7]).await.unwrap(), id);
}

#[tokio::test]
async fn a_store_of_another_namespace_and_a_backup_by_the_collector_are_refused() {
    let etcd = Server::<Etcd>::start().await;
    let of = |namespace| {
        Collector::options()
            .env("SW_STORAGE", "etcd")
            .env("SW_STORAGE_ETCD_ENDPOINTS", etcd.address().to_string())
            .env("SW_STORAGE_ETCD_NAMESPACE", "shared")
            .env("SW_NAMESPACE", namespace)
    };
    let mut collector = of("production").start().await;
    let admin = collector.http(collector.listeners().ui);
    let backup = admin.post("/api/store/backup", "").await.unwrap();
    assert_eq!(backup.status, 409);
    let text = backup.text();
    assert!(text.contains("etcdctl snapshot save FILE"), "{text}");
    assert_eq!(collector.terminate().await.code(), Some(0));
    let refused = of("staging").run().await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for text in ["production", "staging"] {
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
}
