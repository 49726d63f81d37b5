//! Tests that collectors of a cluster list each other's ephemeral Nacos instances: real processes on a real etcd.

mod engine;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use ::http::{Method, StatusCode};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    http::{Client, Reply},
    nacos::Connection,
    process::{Collector, Options},
    proxy::Proxy,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const INSTANCE: &str = "/v1/ns/instance?serviceName=a&port=80&ip=";
const LIST: &str = "/v1/ns/instance/list?serviceName=a";

fn options() -> Options {
    Collector::options()
        .env("SW_NACOS_WARM_UP", "1s")
        .env("SW_NACOS_MEMBER_GRACE", "6s")
}

async fn send(member: &Member, method: Method, path: &str) -> Reply {
    let path = format!("/nacos{path}");
    let client = Client::new(member.collector.nacos().await);
    let sent = client.send(method, &path, Default::default()).await;
    sent.unwrap()
}

async fn register(member: &Member, ip: &str) {
    let registered = send(member, Method::POST, &format!("{INSTANCE}{ip}")).await;
    assert_eq!(registered.text(), "ok");
}

/// The healthy addresses that a member lists.
async fn list(member: &Member) -> Result<BTreeSet<String>, String> {
    let reply = send(member, Method::GET, LIST).await;
    if reply.status != StatusCode::OK {
        return Err(reply.text());
    }
    let list: Value = reply.json();
    let hosts = list["hosts"].as_array().unwrap().iter();
    let healthy = hosts.filter(|host| host["healthy"] == true);
    let ips = healthy.filter_map(|host| host["ip"].as_str());
    Ok(ips.map(str::to_owned).collect())
}

/// Waits until every one of the members lists exactly these addresses.
async fn all_list<'a>(members: impl IntoIterator<Item = &'a Member>, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|ip| (*ip).to_owned()).collect();
    for member in members {
        eventually(PATIENCE, async || {
            let listed = list(member).await?;
            if listed == expected {
                Ok(())
            } else {
                Err(format!("{listed:?}, expected {expected:?}"))
            }
        })
        .await;
    }
}

/// The address at which a member serves gRPC clients.
async fn grpc(member: &Member) -> SocketAddr {
    let listening = member
        .collector
        .wait_for_log(|line| line.text("grpc").is_some());
    listening.await.text("grpc").unwrap().parse().unwrap()
}

/// A connected gRPC client of the server at an address.
async fn connect_to(server: SocketAddr) -> Connection {
    let mut connection = Connection::open(server).await;
    connection.introduce().await;
    connection
}

/// A connected gRPC client of a member.
async fn connect(member: &Member) -> Connection {
    connect_to(grpc(member).await).await
}

async fn call(connection: &Connection, r#type: &str, more: Value) {
    let mut body = json!({"namespace": "public", "serviceName": "a", "groupName": "DEFAULT_GROUP"});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    eventually(PATIENCE, async || {
        let reply = connection.call(r#type, body.to_string()).await.unwrap();
        match reply.json()["resultCode"].as_i64() {
            Some(200) => Ok(()),
            _ => Err(reply.json()),
        }
    })
    .await;
}

async fn register_over_grpc(connection: &Connection, ip: &str) {
    let instance = json!({"ip": ip, "port": 80, "ephemeral": true, "healthy": true, "enabled": true, "weight": 1.0});
    let more = json!({"type": "registerInstance", "instance": instance});
    call(connection, "InstanceRequest", more).await;
}

/// Waits for a push that lists exactly these addresses.
async fn pushed(subscriber: &mut Connection, expected: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let push = subscriber.receive(rest).await.expect("a push");
        let hosts = push.json()["serviceInfo"]["hosts"].clone();
        let Some(hosts) = hosts.as_array() else {
            continue;
        };
        let ips: Vec<_> = hosts
            .iter()
            .filter_map(|host| host["ip"].as_str())
            .collect();
        if ips == expected {
            return;
        }
    }
}

/// The publisher of an instance, as the admin API of a member shows it.
async fn publisher(member: &Member, ip: &str) -> String {
    let ui = member.collector.listeners().ui;
    let path = "/api/services/instances?service=a";
    let reply = member.collector.http(ui).get(path).await.unwrap();
    let list: Value = reply.json();
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    let found = items.iter().find(|item| item["ip"] == ip);
    found.unwrap()["publisher"].as_str().unwrap().to_owned()
}

async fn metric(member: &Member, name: &str) -> i64 {
    let ui = member.collector.listeners().ui;
    let reply = member.collector.http(ui).get("/metrics").await.unwrap();
    let text = reply.text();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line.and_then(|line| line.split(' ').nth(1));
    value
        .unwrap_or_else(|| panic!("no {name}"))
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_collector_lists_pushes_and_removes_the_instances_of_all() {
    let cluster = Cluster::start_with(3, options).await;
    let [a, b, c] = &cluster.members[..] else {
        panic!("three members")
    };
    let mut subscriber = connect(c).await;
    let subscribe = json!({"subscribe": true, "clusters": ""});
    call(&subscriber, "SubscribeServiceRequest", subscribe).await;
    let client = connect(a).await;
    register_over_grpc(&client, "10.0.0.1").await;
    pushed(&mut subscriber, &["10.0.0.1"]).await;
    register(b, "10.0.0.2").await;
    pushed(&mut subscriber, &["10.0.0.1", "10.0.0.2"]).await;
    all_list([a, b, c], &["10.0.0.1", "10.0.0.2"]).await;
    assert_eq!(
        publisher(c, "10.0.0.1").await,
        format!("collector {}", a.address())
    );
    assert_eq!(
        publisher(a, "10.0.0.2").await,
        format!("collector {}", b.address())
    );
    assert_eq!(metric(c, "rollcall_nacos_instances_of_members").await, 2);

    // The client moves to another collector and stays in every list.
    let moved = connect(b).await;
    register_over_grpc(&moved, "10.0.0.1").await;
    eventually(PATIENCE, async || match publisher(c, "10.0.0.1").await {
        by if by == format!("collector {}", b.address()) => Ok(()),
        by => Err(by),
    })
    .await;
    drop(client);
    // A deregistration at a collector that does not have the instance.
    let removed = send(c, Method::DELETE, &format!("{INSTANCE}10.0.0.2")).await;
    assert_eq!(removed.text(), "ok");
    pushed(&mut subscriber, &["10.0.0.1"]).await;
    all_list([a, b, c], &["10.0.0.1"]).await;
    let beat = "/v1/ns/instance/beat?serviceName=a&ip=10.0.0.2&port=80";
    for member in [a, b, c] {
        send(member, Method::PUT, beat).await;
    }
    drop(moved);
    all_list([a, b, c], &[]).await;
    pushed(&mut subscriber, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instances_of_a_killed_collector_stay_for_the_grace_and_those_that_moved_never_vanish()
{
    let mut cluster = Cluster::start_with(3, options).await;
    let client = connect(&cluster.members[0]).await;
    register_over_grpc(&client, "10.0.0.1").await;
    let other = connect(&cluster.members[0]).await;
    register_over_grpc(&other, "10.0.0.2").await;
    register(&cluster.members[0], "10.0.0.3").await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]).await;
    cluster.members[0].collector.expect_log("cluster degraded");
    cluster.members[0].collector.kill();
    let [_, b, c] = &cluster.members[..] else {
        panic!("three members")
    };
    // One client connects again, and one goes on sending beats; the third is gone.
    let again = connect(b).await;
    register_over_grpc(&again, "10.0.0.1").await;
    let beat = "/v1/ns/instance/beat?serviceName=a&ip=10.0.0.3&port=80";
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert_eq!(send(c, Method::PUT, beat).await.status, StatusCode::OK);
        for member in [b, c] {
            let listed = list(member).await.unwrap();
            let stay = ["10.0.0.1", "10.0.0.3"]
                .iter()
                .all(|ip| listed.contains(*ip));
            assert!(stay, "{listed:?}");
        }
        if !list(c).await.unwrap().contains("10.0.0.2") {
            break;
        }
        assert!(Instant::now() < deadline, "10.0.0.2 is still listed");
        sleep(Duration::from_millis(200)).await;
    }
    all_list([b, c], &["10.0.0.1", "10.0.0.3"]).await;
    // It starts again without instances, and knows those of the others before it answers.
    cluster.members[0].collector.restart().await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_stops_or_restarts_keeps_the_instances_of_its_clients_listed() {
    let mut cluster = Cluster::start_with(2, options).await;
    let client = connect(&cluster.members[0]).await;
    register_over_grpc(&client, "10.0.0.1").await;
    register(&cluster.members[0], "10.0.0.2").await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.2"]).await;
    // A restart within the grace takes over what the earlier run published. The lease of the earlier run may still hold its address.
    let first = &mut cluster.members[0].collector;
    first.expect_log("cluster degraded");
    first.kill();
    cluster.members[0].collector.restart().await;
    let listed = list(&cluster.members[1]).await.unwrap();
    assert_eq!(listed.len(), 2);
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.2"]).await;
    assert_eq!(
        publisher(&cluster.members[0], "10.0.0.1").await,
        "roster of an earlier run"
    );
    let again = connect(&cluster.members[0]).await;
    register_over_grpc(&again, "10.0.0.1").await;
    // A collector that stops closes connections. The others list its instances until the grace ends.
    cluster.members[0].collector.terminate().await;
    let listed = list(&cluster.members[1]).await.unwrap();
    assert_eq!(listed.len(), 2);
    let moved = connect(&cluster.members[1]).await;
    register_over_grpc(&moved, "10.0.0.1").await;
    all_list([&cluster.members[1]], &["10.0.0.1"]).await;
}

/// Java clients connect to another collector, register there, and then break off the old connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_moves_at_a_stop_and_breaks_off_stays_listed_and_is_not_restored() {
    let mut cluster = Cluster::start_with(2, options).await;
    let link = Proxy::to(grpc(&cluster.members[0]).await).await;
    let mut client = connect_to(link.address()).await;
    register_over_grpc(&client, "10.0.0.1").await;
    all_list(&cluster.members, &["10.0.0.1"]).await;
    cluster.members[0].collector.signal(Signal::TERM);
    loop {
        let message = client.receive(PATIENCE).await.expect("a request to move");
        if message.r#type == "ConnectResetRequest" {
            break;
        }
    }
    let moved = connect(&cluster.members[1]).await;
    register_over_grpc(&moved, "10.0.0.1").await;
    link.cut().await;
    assert!(cluster.members[0].collector.exit().await.success());
    assert_eq!(list(&cluster.members[1]).await.unwrap().len(), 1);
    // An instance restored from the earlier run would be judged there without beats, although its client is connected elsewhere.
    cluster.members[0].collector.restart().await;
    all_list(&cluster.members, &["10.0.0.1"]).await;
    let publisher = publisher(&cluster.members[0], "10.0.0.1").await;
    assert!(publisher.starts_with("collector "), "{publisher}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beats_that_alternate_between_collectors_keep_an_instance_healthy() {
    let cluster = Cluster::start_with(2, options).await;
    let terms = "%7B%22preserved.heart.beat.interval%22%3A%22500%22%2C%22preserved.heart.beat.timeout%22%3A%224000%22%2C\
                 %22preserved.ip.delete.timeout%22%3A%228000%22%7D";
    let path = format!("{INSTANCE}10.0.0.1&metadata={terms}");
    let registered = send(&cluster.members[0], Method::POST, &path).await;
    assert_eq!(registered.text(), "ok");
    all_list(&cluster.members, &["10.0.0.1"]).await;
    let beat = "/v1/ns/instance/beat?serviceName=a&ip=10.0.0.1&port=80";
    // Most beats arrive at a collector that does not have the instance, and the others come too rarely.
    for number in 0..36 {
        let member = &cluster.members[usize::from(number % 12 != 0)];
        assert_eq!(send(member, Method::PUT, beat).await.status, StatusCode::OK);
        sleep(Duration::from_millis(500)).await;
        for member in &cluster.members {
            assert_eq!(list(member).await.unwrap().len(), 1, "after beat {number}");
        }
    }
    all_list(&cluster.members, &[]).await;
}
