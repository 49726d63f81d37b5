//! Tests collectors whose etcd has no space left: it answers every read and refuses every write.

use std::time::{Duration, Instant};

use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    engine::{Etcd, Server},
    eventually,
    process::{Collector, Options},
};
use serde_json::Value;
use tonic::Code;

/// The time for which `/readyz` is sampled while no write can succeed. It is several times the writer's longest pause.
const SAMPLED: Duration = Duration::from_secs(5);
/// The interval between two samples.
const SAMPLE: Duration = Duration::from_millis(20);

fn options() -> Options {
    Collector::options().env("SW_LIVENESS_WRITE_BACK_INTERVAL", "100ms")
}

/// The member's readiness status, and its reason about the store.
async fn readiness(member: &Member) -> Result<(String, String), String> {
    let client = member.collector.http(member.collector.listeners().ui);
    let body: Value = client.get("/readyz").await?.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&body["status"]), text(&body["reasons"]["storage"])))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_degraded_until_a_write_succeeds() {
    let mut cluster = Cluster::start_with(1, options).await;
    cluster.expect_trouble();
    let member = &cluster.members[0];
    let client = member.collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();

    cluster.etcd.run_out_of_space().await;
    eventually(PATIENCE, async || {
        // A signal gives the member something to write.
        client.heartbeat(instance).await.unwrap();
        match readiness(member).await? {
            (status, _) if status == "degraded" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let refused = client.application("new").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let since = Instant::now();
    while since.elapsed() < SAMPLED {
        let (status, reason) = readiness(member).await.unwrap();
        assert_eq!(status, "degraded", "after {:?}", since.elapsed());
        for part in ["database space exceeded", "compact", "defrag", "disarm"] {
            assert!(reason.contains(part), "{reason}");
        }
        assert!(!reason.contains("is unavailable"), "{reason}");
        tokio::time::sleep(SAMPLE).await;
    }

    cluster.etcd.disarm().await;
    // The member recovers without a registration.
    eventually(PATIENCE, async || match readiness(member).await? {
        (status, _) if status == "ready" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    client.application("new").await.expect("an id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_starts_and_returns_known_ids_while_etcd_refuses_every_write() {
    const QUOTA: u64 = 16 * 1024 * 1024;
    let etcd = Server::<Etcd>::start_with_quota(QUOTA).await;
    // The collector is not a cluster member, because its entry in the list of members would be another write.
    let mut collector = options()
        .env("SW_STORAGE", "etcd")
        .env("SW_STORAGE_ETCD_ENDPOINTS", etcd.address().to_string())
        .start()
        .await;
    collector.expect_log("until the store is back");
    collector.expect_log("could not write back");
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();

    collector.terminate().await;
    etcd.use_up_quota().await;
    collector.restart().await;

    let client = collector.grpc().await;
    assert_eq!(client.application("orders").await.unwrap(), application);
    assert_eq!(
        client.instance(application, "process").await.unwrap(),
        instance
    );
    client.heartbeat(instance).await.unwrap();
    let refused = client.application("new").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}
