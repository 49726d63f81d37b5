//! Tests the explanations of Nacos service instances that are no longer registered, and of the cause of their health.

use http::Method;
use rollcall_tests::{PATIENCE, eventually, http::Client, process::Collector};
use serde_json::Value;

use crate::command::{explains, why};

/// The terms of an instance that becomes unhealthy one second after its last beat and is removed after two seconds.
const TERMS: &str = "metadata=%7B%22preserved.heart.beat.interval%22%3A%22500%22%2C%22preserved.heart.beat.timeout%22%3A%221000%22%2C\
                     %22preserved.ip.delete.timeout%22%3A%222000%22%7D";

async fn call(nacos: &Client, method: Method, query: &str) {
    let path = format!("/nacos/v1/ns/instance?{query}");
    let reply = nacos.send(method, &path, Default::default()).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
}

async fn timelines(collector: &Collector, query: &str) -> Value {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/services/instances/timeline?{query}");
    let reply = client.get(&path).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// The timeline of one of two instances in the default cluster. Also checks that a selection by cluster finds both.
async fn selected(collector: &Collector) -> Value {
    for (cluster, count) in [("", 2), ("&cluster=DEFAULT", 2), ("&cluster=hangzhou", 0)] {
        let several = timelines(collector, &format!("service=stock{cluster}")).await;
        let items = several["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{cluster}: {several:#}");
    }
    timelines(collector, "service=stock&ip=10.0.0.1&port=80").await
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_instances_that_are_no_longer_registered() {
    let mut collector = Collector::start().await;
    let nacos = collector.http(collector.nacos().await);
    call(
        &nacos,
        Method::POST,
        &format!("serviceName=stock&ip=10.0.0.1&port=80&{TERMS}"),
    )
    .await;
    call(
        &nacos,
        Method::POST,
        "serviceName=stock&ip=10.0.0.2&port=80&ephemeral=false",
    )
    .await;
    call(
        &nacos,
        Method::DELETE,
        "serviceName=stock&ip=10.0.0.2&port=80&ephemeral=false",
    )
    .await;
    eventually(PATIENCE, async || {
        let run = why(&collector, "10.0.0.1:80").await;
        let is_gone = run.stdout.contains("not registered since");
        is_gone.then_some(()).ok_or(run)
    })
    .await;
    let one = selected(&collector).await;
    let events: Vec<_> = one["events"].as_array().unwrap().iter().collect();
    let [.., unhealthy, expired] = &events[..] else {
        panic!("{one:#}")
    };
    assert_eq!(
        (&unhealthy["kind"], &expired["kind"]),
        (&"unhealthy".into(), &"expired".into())
    );
    assert_eq!(unhealthy["evidence"]["by"], "beat");
    let ended = [
        "10.0.0.1:80 of public/DEFAULT_GROUP@@stock (cluster DEFAULT): not registered since",
        "was removed: no beat arrived within its term",
    ];
    let deregistered = "10.0.0.2:80 (DEFAULT) was deregistered";
    explains(&collector, "10.0.0.1:80", &ended).await;
    explains(&collector, "stock", &[ended[0], ended[1], deregistered]).await;
    explains(&collector, "DEFAULT_GROUP@@stock", &[deregistered]).await;
    assert_eq!(why(&collector, "10.0.0.3:80").await.code, Some(3));
    assert_eq!(why(&collector, "OTHER@@stock").await.code, Some(3));

    // The journal still has the events after a restart.
    collector.terminate().await;
    collector.restart().await;
    explains(&collector, "stock", &[ended[0], deregistered]).await;
    let several = timelines(&collector, "service=stock").await;
    assert_eq!(several["items"].as_array().unwrap().len(), 2, "{several:#}");
    // An instance that has registered again is explained by its current state.
    let nacos = collector.http(collector.nacos().await);
    call(
        &nacos,
        Method::POST,
        "serviceName=stock&ip=10.0.0.2&port=80&ephemeral=false",
    )
    .await;
    let back = why(&collector, "10.0.0.2:80").await;
    assert!(!back.stdout.contains("not registered"), "{back:?}");
}
