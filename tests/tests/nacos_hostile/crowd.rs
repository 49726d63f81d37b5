//! Tests many subscribers that never answer, and one client with many services.

use std::{
    collections::BTreeMap,
    net::UdpSocket,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use rollcall_tests::{
    PATIENCE, eventually,
    nacos::{Connection, Http},
    process::Collector,
};
use serde_json::json;

use crate::{MIB, Victim, request};

/// The number of concurrent calls.
const CONCURRENCY: usize = 64;

/// The number of gRPC connections that subscribe and acknowledge nothing.
const SILENT: usize = 100;

/// The number of subscriptions over UDP, each for another port of this machine.
const DEAF: u16 = 20_000;

/// The number of services of the client that disconnects.
const SERVICES: usize = 10_000;

/// The time within which an honest subscriber must receive a change during the attack.
const CHANGE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn subscribers_that_never_acknowledge_do_not_delay_an_honest_one() {
    let victim = Victim::start(Collector::options()).await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let mut connection = Connection::open(victim.faces.grpc).await.silent();
        connection.set_up(None).await;
        subscribe(&connection).await;
        silent.push(connection);
    }
    let mut honest = victim.client().await;
    subscribe(&honest).await;
    let provider = victim.client().await;
    while honest.receive(Duration::from_millis(500)).await.is_some() {}
    let mut best = Duration::MAX;
    for weight in 1..=20 {
        let start = Instant::now();
        register(&provider, "crowded", weight).await;
        loop {
            let push = honest.receive(PATIENCE).await.expect("a push");
            if push.json()["serviceInfo"]["hosts"][0]["weight"] == f64::from(weight) {
                break;
            }
        }
        best = best.min(start.elapsed());
    }
    assert!(
        best <= CHANGE,
        "the honest subscriber received a change after {best:?} at best"
    );
    victim.survives(64 * MIB).await;
}

#[tokio::test]
async fn deaf_udp_subscribers_cost_a_bounded_amount_of_memory() {
    let victim = Victim::start(Collector::options()).await;
    let http = Http::new(victim.faces.http);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let own = socket.local_addr().expect("a bound address").port();
    let ports = (1..=DEAF)
        .map(|port| port + 40_000)
        .filter(|&port| port != own);
    stream::iter(ports.chain([own]))
        .map(|port| {
            let http = http.clone();
            async move {
                let list = format!("/nacos/v1/ns/instance/list?serviceName=crowded&udpPort={port}&clientIP=127.0.0.1");
                let agent = BTreeMap::from([("User-Agent".to_owned(), "Nacos-Java-Client:v1.4.2".to_owned())]);
                http.call("GET", &list, None, &agent).await.expect("a reply");
            }
        })
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for port in 1..=5 {
        let register = format!("/nacos/v1/ns/instance?serviceName=crowded&ip=10.9.2.1&port={port}");
        let reply = http
            .call("POST", &register, None, &BTreeMap::new())
            .await
            .expect("a reply");
        assert_eq!(reply.text(), "ok");
    }
    victim.survives(64 * MIB).await;
}

#[tokio::test]
async fn ten_thousand_services_are_removed_with_their_client() {
    let victim = Victim::start(Collector::options()).await;
    let attacker = victim.client().await;
    let registrations = stream::iter(0..SERVICES)
        .map(|number| {
            let attacker = &attacker;
            async move { register(attacker, &format!("many.{number}"), 1).await }
        })
        .buffer_unordered(CONCURRENCY);
    registrations.collect::<Vec<_>>().await;
    let judge = victim.client().await;
    let first = request("many.0", json!({"cluster": "", "healthyOnly": false})).to_string();
    let last = request("many.9999", json!({"cluster": "", "healthyOnly": false})).to_string();
    drop(attacker);
    for query in [first, last] {
        eventually(PATIENCE, async || {
            let reply = judge
                .call("ServiceQueryRequest", query.clone())
                .await
                .expect("a reply");
            match reply.json()["serviceInfo"]["hosts"]
                .as_array()
                .map(Vec::len)
            {
                Some(0) => Ok(()),
                hosts => Err(format!("{hosts:?} hosts")),
            }
        })
        .await;
    }
    victim.survives(96 * MIB).await;
}

async fn subscribe(connection: &Connection) {
    let body = request("crowded", json!({"subscribe": true, "clusters": ""}));
    eventually(PATIENCE, async || {
        let reply = connection
            .call("SubscribeServiceRequest", body.to_string())
            .await
            .expect("a reply");
        match reply.r#type.as_str() {
            "SubscribeServiceResponse" => Ok(()),
            _ => Err(reply),
        }
    })
    .await;
}

async fn register(connection: &Connection, service: &str, weight: i32) {
    let instance = json!({
        "ip": "10.9.3.1", "port": 80, "weight": f64::from(weight), "healthy": true, "enabled": true, "ephemeral": true,
        "clusterName": "DEFAULT", "metadata": {},
    });
    let body = request(
        service,
        json!({"type": "registerInstance", "instance": instance}),
    );
    let reply = connection
        .call("InstanceRequest", body.to_string())
        .await
        .expect("a reply");
    assert_eq!(reply.json()["resultCode"], 200, "{reply:?}");
}
