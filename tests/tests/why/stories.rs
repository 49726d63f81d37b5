use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;
use rollcall_tests::{
    PATIENCE,
    agent::{Agent, all},
    application::Application,
    cluster::Cluster,
    eventually,
    http::Client,
    process::{Collector, Listeners, Options},
    proxy::{Link, Proxy},
};
use rustix::process::Signal;
use serde_json::Value;

/// Terms that a test can wait for. The agent sends a heartbeat about every second.
fn options() -> Options {
    Collector::options()
        .terms(Duration::from_secs(4), Duration::from_secs(6))
        .env("SW_LIVENESS_WRITE_BACK_INTERVAL", "1s")
        .env("SW_LIVENESS_TICK", "100ms")
}

fn agent() -> Agent {
    let observed = env!("CARGO_BIN_EXE_observed-application");
    let found = all(observed)
        .into_iter()
        .find(|it| it.package == "rollcall-agent");
    found.expect("the own agent")
}

/// A running application `code` whose instance is up.
async fn started(code: &str, at: Listeners) -> (Application, i32) {
    let application = agent().start_as(code, at);
    application.started().await.unwrap();
    let id = application.id("instance", PATIENCE).await.unwrap();
    (application, id)
}

async fn timeline(client: &Client, path: &str) -> Value {
    let reply = client.get(path).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// The timeline of an instance once it has an event of this kind.
async fn story(collector: &Collector, id: i32, kind: &str) -> Value {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/instances/{id}/timeline");
    eventually(PATIENCE, async || {
        let timeline = timeline(&client, &path).await;
        match kinds(&timeline).iter().any(|it| it == kind) {
            true => Ok(timeline),
            false => Err(format!("{timeline:#}")),
        }
    })
    .await
}

fn kinds(timeline: &Value) -> Vec<String> {
    let events = timeline["events"].as_array().expect("events");
    let kind = |event: &Value| event["kind"].as_str().expect("a kind").to_owned();
    events.iter().map(kind).collect()
}

fn why(timeline: &Value) -> String {
    timeline["why"].as_str().expect("a sentence").to_owned()
}

#[track_caller]
fn says(why: &str, parts: &[&str]) {
    for part in parts {
        assert!(why.contains(part), "no `{part}` in: {why}");
    }
}

fn event<'a>(timeline: &'a Value, kind: &str) -> &'a Value {
    let events = timeline["events"].as_array().expect("events");
    let found = events.iter().rev().find(|event| event["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {timeline:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_paused_cut_off_and_shut_down_instances_have_different_true_stories() {
    let mut collector = options().start().await;
    collector.expect_log("instance down");
    let at = collector.listeners();
    let proxy = Proxy::from([127, 0, 0, 2].into(), at.grpc).await;
    let behind = Listeners {
        grpc: proxy.address(),
        ..at
    };
    let (mut killed, killed_id) = started("killed", at).await;
    let (paused, paused_id) = started("paused", at).await;
    let (mut stopped, stopped_id) = started("stopped", at).await;
    let cut = cut_off(&collector, behind).await;
    // Signals in order, so that the usual interval is observed.
    tokio::time::sleep(Duration::from_millis(2_500)).await;

    let before = Timestamp::now();
    killed.kill();
    paused.signal(Signal::STOP);
    proxy.set(Link::Refusing);
    assert!(stopped.stop().await.success());
    let after = Timestamp::now();

    let [killed_timeline, paused_timeline, cut_timeline] = [
        story(&collector, killed_id, "down").await,
        story(&collector, paused_id, "down").await,
        story(&collector, cut, "down").await,
    ];
    let stopped_timeline = story(&collector, stopped_id, "left").await;

    let whys = [
        killed_story(&killed_timeline, before..=after),
        paused_story(&paused_timeline),
        cut_off_story(&cut_timeline),
        why(&stopped_timeline),
    ];
    says(&whys[3], &["Left: its agent announced its stop at"]);
    let distinct: std::collections::BTreeSet<_> = whys.iter().collect();
    assert_eq!(distinct.len(), whys.len(), "{whys:#?}");

    paused.signal(Signal::CONT);
    let back = story(&collector, paused_id, "back").await;
    let back = event(&back, "back");
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(
        time(&back["evidence"]["from_since"]) < time(&back["time"]),
        "{back:#}"
    );
}

/// Checks the explanation of a killed instance, which is dated by the end of its connection.
fn killed_story(timeline: &Value, during: RangeInclusive<Timestamp>) -> String {
    let sentence = why(timeline);
    says(
        &sentence,
        &[
            "Down since",
            "was closed by the peer at",
            "without a goodbye",
            "killed or crashes",
        ],
    );
    let closed = event(timeline, "connection_closed");
    let closed_at: Timestamp = closed["time"].as_str().unwrap().parse().unwrap();
    assert!(
        during.contains(&closed_at),
        "dated by the connection: {closed}"
    );
    says(&sentence, &[closed["time"].as_str().unwrap()]);
    let down = event(timeline, "down");
    assert_eq!(down["evidence"]["connection"]["cause"], "closed_by_peer");
    assert!(down["evidence"]["missed"].as_u64() >= Some(2), "{down:#}");
    assert!(
        down["evidence"]["interval_ms"].as_u64() >= Some(500),
        "{down:#}"
    );
    sentence
}

/// Checks the explanation of an instance whose process is paused.
fn paused_story(timeline: &Value) -> String {
    let sentence = why(timeline);
    says(
        &sentence,
        &[
            "is open",
            "signals, expected about every",
            "paused or hangs",
        ],
    );
    assert!(!kinds(timeline).contains(&"connection_closed".to_owned()));
    sentence
}

/// Checks the explanation of an instance whose connection a proxy cut off.
fn cut_off_story(timeline: &Value) -> String {
    let sentence = why(timeline);
    says(
        &sentence,
        &[
            "127.0.0.2",
            "was reset at",
            "a proxy or a NAT is in between",
        ],
    );
    sentence
}

/// An instance behind the proxy, whose agent reports an address of its machine. It stays connected until the proxy cuts it off.
async fn cut_off(collector: &Collector, behind: Listeners) -> i32 {
    let client = rollcall_tests::grpc::Client::connect(behind.grpc).await;
    let application = client.application("cut").await.unwrap();
    let instance = client
        .instance_on(application, "cut-1", &["10.99.0.1"])
        .await
        .unwrap();
    for _ in 0..3 {
        client.heartbeat(instance).await.unwrap();
    }
    // Held until the end of the test: only the proxy ends the connection.
    std::mem::forget(client);
    let known = collector.query().instance(instance).await.unwrap();
    assert!(known.why.connection.is_none());
    instance
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_an_instance_names_the_operator_that_took_it_offline() {
    let collector = Collector::options().start().await;
    let nacos = crate::journal::nacos(&collector).await;
    let nacos = collector.http(nacos);
    let send = async |call: &str| {
        let (method, path) = call.split_once(' ').unwrap();
        let path = format!("/nacos{path}");
        let reply = nacos
            .send(method.parse().unwrap(), &path, Default::default())
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{call}: {}", reply.text());
    };
    send("POST /v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&ephemeral=false").await;
    send(
        "PUT /v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&ephemeral=false&enabled=false",
    )
    .await;
    let client = collector.http(collector.listeners().ui);
    let path = "/api/services/instances/timeline?service=orders&ip=10.0.0.1&port=80";
    let timeline = timeline(&client, path).await;
    assert_eq!(
        kinds(&timeline),
        ["registered", "overridden"],
        "{timeline:#}"
    );
    says(&why(&timeline), &["an operator", "enabled=false"]);
    let unknown = client.get(&format!("{path}81")).await.unwrap();
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_lost_with_its_collector_names_it() {
    let mut cluster = Cluster::start_with(2, options).await;
    cluster.expect_trouble();
    cluster.members[0].collector.expect_log("instance down");
    let client = cluster.members[1].collector.grpc().await;
    let application = client.application("lost").await.unwrap();
    let instance = client.instance(application, "lost-1").await.unwrap();
    client.heartbeat(instance).await.unwrap();
    let survivor = &cluster.members[0].collector;
    // Member b writes that it saw the instance.
    eventually(PATIENCE, async || {
        let client = survivor.http(survivor.listeners().ui);
        let timeline = timeline(&client, &format!("/api/instances/{instance}/timeline")).await;
        let by = timeline["instance"]["why"]["observed_by"].clone();
        let is_b = by.as_str() == Some(&cluster.members[1].address());
        is_b.then_some(()).ok_or_else(|| format!("{timeline:#}"))
    })
    .await;
    let b = cluster.members[1].address();
    cluster.members[1].collector.kill();
    let timeline = story(&cluster.members[0].collector, instance, "down").await;
    says(
        &why(&timeline),
        &[
            "Down since",
            &format!("through member {b}"),
            "disappeared without an announcement at",
            "lost with its collector",
        ],
    );
    assert_eq!(event(&timeline, "silent")["evidence"]["observed_by"], *b);
}
