//! Tests instances that an operator forgets: they are absent from counts and lists until they report again.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::Method;
use rollcall_tests::{
    PATIENCE,
    cluster::Cluster,
    eventually,
    process::{Collector, Line, Options},
};
use serde_json::{Value, json};

fn options() -> Options {
    Collector::options()
        .terms(Duration::from_secs(1), Duration::from_secs(2))
        .env("SW_LIVENESS_WRITE_BACK_INTERVAL", "1s")
}

async fn json(collector: &Collector, path: &str) -> Value {
    let client = collector.http(collector.listeners().ui);
    let reply = client.get(path).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// The ids of the listed instances.
async fn listed(collector: &Collector) -> BTreeSet<i64> {
    let list = json(collector, "/api/instances").await;
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_i64().unwrap()).collect()
}

async fn lists(collector: &Collector, expected: &[i32]) {
    let expected: BTreeSet<_> = expected.iter().copied().map(i64::from).collect();
    eventually(PATIENCE, async || match listed(collector).await {
        found if found == expected => Ok(()),
        found => Err(found),
    })
    .await;
}

async fn down(collector: &Collector, id: i32) {
    let path = format!("/api/instances/{id}");
    eventually(PATIENCE, async || {
        let instance = json(collector, &path).await;
        let is_down = instance["state"] == "down";
        is_down.then_some(()).ok_or(instance)
    })
    .await;
}

async fn forget(collector: &Collector, path: &str) -> Value {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/instances{path}");
    let reply = client.send(Method::DELETE, &path, Bytes::new()).await;
    let reply = reply.unwrap();
    match reply.status.as_u16() {
        204 => Value::Null,
        200 => reply.json(),
        _ => panic!("{path}: {} {}", reply.status, reply.text()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_instances_stay_forgotten_after_a_kill_and_keep_their_ids() {
    // With this interval, only changes that are written at once survive the kill.
    let interval = ("SW_LIVENESS_WRITE_BACK_INTERVAL", "1h");
    let mut collector = options().env(interval.0, interval.1).start().await;
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(client.instance(application, name).await.unwrap());
    }
    for id in &ids {
        down(&collector, *id).await;
    }
    assert_eq!(
        forget(&collector, &format!("/{}", ids[0])).await,
        Value::Null
    );
    let others = forget(&collector, "?application=-1&state=down").await;
    assert_eq!(others, json!({"forgotten": 2}));
    collector.kill();
    collector.restart().await;
    // After a start, a stored instance would be up if it were not marked as down or forgotten.
    assert_eq!(listed(&collector).await, BTreeSet::new());
    let agents = json(&collector, "/api/overview").await["agents"].clone();
    assert_eq!(agents, json!({"up": 0, "silent": 0, "down": 0, "left": 0}));
    let first = json(&collector, &format!("/api/instances/{}", ids[0])).await;
    assert_eq!(first["state"], "down", "{first:#}");

    let client = collector.grpc().await;
    let new = client.instance(application, "d").await.unwrap();
    assert!(
        !ids.contains(&new),
        "the id of a forgotten instance was assigned: {new}"
    );
    let same = client.instance(application, "a").await.unwrap();
    assert_eq!(same, ids[0]);
    client.heartbeat(ids[1]).await.unwrap();
    lists(&collector, &[ids[0], ids[1], new]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_came_back_after_it_was_forgotten_is_listed_after_a_kill() {
    let interval = ("SW_LIVENESS_WRITE_BACK_INTERVAL", "1h");
    let mut collector = options().env(interval.0, interval.1).start().await;
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let id = client.instance(application, "a").await.unwrap();
    down(&collector, id).await;
    forget(&collector, &format!("/{id}")).await;
    client.heartbeat(id).await.unwrap();
    // Nothing reports that the return is durable.
    tokio::time::sleep(Duration::from_secs(2)).await;
    collector.kill();
    collector.restart().await;
    lists(&collector, &[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_of_a_cluster_forget_the_same_instances() {
    let mut cluster = Cluster::start_with(2, options).await;
    // The entry of the killed member stays until its lease expires.
    cluster.expect_trouble();
    let [a, b] = &mut cluster.members[..] else {
        unreachable!()
    };
    let is_notice = |line: &Line| line.message.contains("timeline.default.journal_path");
    assert!(
        a.collector.log().iter().any(is_notice),
        "the log does not mention the missing journal"
    );
    let client = b.collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let id = client.instance(application, "a").await.unwrap();
    for member in [&*a, &*b] {
        eventually(PATIENCE, async || {
            let listed = listed(&member.collector).await;
            let is_known = listed.contains(&i64::from(id));
            is_known.then_some(()).ok_or(listed)
        })
        .await;
        down(&member.collector, id).await;
    }
    forget(&a.collector, &format!("/{id}")).await;
    lists(&a.collector, &[]).await;
    lists(&b.collector, &[]).await;
    a.collector.kill();
    a.collector.restart().await;
    assert_eq!(listed(&a.collector).await, BTreeSet::new());

    client.heartbeat(id).await.unwrap();
    lists(&b.collector, &[id]).await;
    lists(&a.collector, &[id]).await;
}
