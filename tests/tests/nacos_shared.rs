//! Tests that collectors with a store in etcd share persistent instances and settings of Nacos services. Ephemeral instances are in
//! `nacos_members`.

use ::http::{Method, StatusCode};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    http::{Client, Reply},
    process::{Collector, Options},
    proxy::Link,
};
use serde_json::Value;

const REGISTER: &str = "/v1/ns/instance?serviceName=a&port=80&ip=";
const LIST: &str = "/v1/ns/instance/list?serviceName=a";

fn options() -> Options {
    Collector::options()
        .env("SW_NACOS_WARM_UP", "1s")
        .env("SW_NACOS_MEMBER_GRACE", "1s")
}

async fn send(member: &Member, method: Method, path: &str) -> Reply {
    let path = format!("/nacos{path}");
    let client = Client::new(member.collector.nacos().await);
    client
        .send(method, &path, Default::default())
        .await
        .unwrap()
}

/// Waits until a member lists exactly these addresses.
async fn lists(member: &Member, expected: &[&str]) {
    eventually(PATIENCE, async || {
        let reply = send(member, Method::GET, LIST).await;
        if reply.status != StatusCode::OK {
            return Err(reply.text());
        }
        let list: Value = reply.json();
        let hosts = list["hosts"].as_array().unwrap();
        let mut ips: Vec<_> = hosts
            .iter()
            .filter_map(|host| host["ip"].as_str())
            .collect();
        ips.sort_unstable();
        if ips == expected {
            Ok(())
        } else {
            Err(list.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_collector_lists_persistent_instances_and_they_survive_all_collectors() {
    let mut cluster = Cluster::start_with(2, options).await;
    let [one, other] = &cluster.members[..] else {
        panic!("two members")
    };
    let registered = send(
        one,
        Method::POST,
        &format!("{REGISTER}10.0.0.1&ephemeral=false"),
    )
    .await;
    assert_eq!(registered.text(), "ok");
    lists(other, &["10.0.0.1"]).await;
    let registered = send(other, Method::POST, &format!("{REGISTER}10.0.0.2")).await;
    assert_eq!(registered.text(), "ok");
    lists(other, &["10.0.0.1", "10.0.0.2"]).await;
    lists(one, &["10.0.0.1", "10.0.0.2"]).await;

    for member in &mut cluster.members {
        member.collector.terminate().await;
    }
    cluster.members.clear();
    cluster.join().await;
    lists(&cluster.members[0], &["10.0.0.1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_etcd_persistent_changes_are_refused_and_everything_else_continues() {
    let mut cluster = Cluster::start_with(1, options).await;
    cluster.expect_trouble();
    cluster.members[0].collector.expect_log("a commit failed");
    let member = &cluster.members[0];
    lists(member, &[]).await;
    member.engine_link.set(Link::Stalled);
    let persistent = format!("{REGISTER}10.0.0.1&ephemeral=false");
    let refused = send(member, Method::POST, &persistent).await;
    assert!(refused.status.is_server_error(), "{}", refused.text());
    let registered = send(member, Method::POST, &format!("{REGISTER}10.0.0.2")).await;
    assert_eq!(registered.text(), "ok");
    lists(member, &["10.0.0.2"]).await;
    member.engine_link.set(Link::Whole);
    eventually(PATIENCE, async || {
        let reply = send(member, Method::POST, &persistent).await.text();
        if reply == "ok" { Ok(()) } else { Err(reply) }
    })
    .await;
    lists(member, &["10.0.0.1", "10.0.0.2"]).await;
}
