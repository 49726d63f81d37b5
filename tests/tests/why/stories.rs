use std::{ops::RangeInclusive, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rollcall_tests::{
    PATIENCE,
    agent::{Agent, all},
    application::Application,
    cluster::Cluster,
    eventually, grpc,
    http::Client,
    process::{Collector, Listeners, Options},
    proxy::{Link, Proxy},
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::command::explains;

mod reach;

/// The options of a collector with terms that are short enough for a test. The agent sends a heartbeat about every second.
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
    found.expect("the agent of the library")
}

/// Starts an application `code`, and returns it with the id of its instance.
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

/// An instance whose events are examined from a certain event on. On a busy machine it may have been silent before.
#[derive(Clone, Copy)]
struct Subject {
    id: i32,
    /// The number of the last event that is not examined.
    begin: u64,
}

impl Subject {
    async fn from_now(collector: &Collector, id: i32) -> Self {
        let timeline = of(collector, id).await;
        let last = timeline["events"].as_array().and_then(|it| it.last());
        let begin = last.and_then(|last| last["number"].as_u64());
        Self {
            id,
            begin: begin.unwrap_or(0),
        }
    }

    /// Waits for an event of this kind, and returns the timeline with only the examined events.
    async fn once(self, collector: &Collector, kind: &str) -> Value {
        eventually(PATIENCE, async || {
            let mut timeline = of(collector, self.id).await;
            if let Some(events) = timeline["events"].as_array_mut() {
                events.retain(|event| event["number"].as_u64() > Some(self.begin));
            }
            match kinds(&timeline).iter().any(|it| it == kind) {
                true => Ok(timeline),
                false => Err(format!("{timeline:#}")),
            }
        })
        .await
    }
}

async fn of(collector: &Collector, id: i32) -> Value {
    let client = collector.http(collector.listeners().ui);
    timeline(&client, &format!("/api/instances/{id}/timeline")).await
}

fn kinds(timeline: &Value) -> Vec<String> {
    let events = timeline["events"].as_array().expect("events");
    let kind = |event: &Value| event["kind"].as_str().expect("a kind").to_owned();
    events.iter().map(kind).collect()
}

/// Waits until the collector has observed the usual interval of an instance's signals.
async fn observed(collector: &Collector, id: i32) {
    eventually(PATIENCE, async || {
        let why = of(collector, id).await["instance"]["why"].clone();
        let is_observed = why["usual_interval_ms"].as_u64().is_some();
        is_observed.then_some(()).ok_or(why)
    })
    .await;
}

/// A client that sends the heartbeats of an instance until this value is dropped or the connection ends.
struct Beating {
    id: i32,
    task: AbortHandle,
}

impl Beating {
    /// Registers an instance whose agent reports an address of its machine, and starts its heartbeats.
    async fn start(at: Listeners, code: &str) -> Self {
        let client = grpc::Client::connect(at.grpc).await;
        let application = client.application(code).await.unwrap();
        let instance = client.instance_on(application, code, &["10.99.0.1"]);
        let id = instance.await.unwrap();
        let beat = async move {
            while client.heartbeat(id).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        };
        let task = tokio::spawn(beat).abort_handle();
        Self { id, task }
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.task.abort();
    }
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
async fn killed_paused_cut_off_and_shut_down_instances_have_different_correct_explanations() {
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
    let cut = Beating::start(behind, "cut").await;
    for id in [killed_id, paused_id] {
        observed(&collector, id).await;
    }
    let mut subjects = Vec::new();
    for id in [killed_id, paused_id, cut.id, stopped_id] {
        subjects.push(Subject::from_now(&collector, id).await);
    }
    let [killed_subject, paused_subject, cut_subject, stopped_subject] = subjects[..] else {
        unreachable!()
    };

    // The collector rounds times down to whole milliseconds.
    let before = Timestamp::now() - SignedDuration::from_millis(1);
    killed.kill();
    paused.signal(Signal::STOP);
    proxy.set(Link::Refusing);
    killed_subject.once(&collector, "connection_closed").await;
    let after = Timestamp::now();
    assert!(stopped.stop().await.success());

    let killed_timeline = killed_subject.once(&collector, "down").await;
    let paused_timeline = paused_subject.once(&collector, "down").await;
    let cut_timeline = cut_subject.once(&collector, "down").await;
    let stopped_timeline = stopped_subject.once(&collector, "left").await;

    let whys = [
        killed_story(&killed_timeline, before..=after),
        paused_story(&paused_timeline),
        cut_off_story(&cut_timeline),
        stopped_story(&stopped_timeline),
    ];
    let distinct: std::collections::BTreeSet<_> = whys.iter().map(|(why, _)| why).collect();
    assert_eq!(distinct.len(), whys.len(), "{whys:#?}");
    for (id, (_, parts)) in [killed_id, paused_id, cut.id, stopped_id].iter().zip(&whys) {
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        explains(&collector, &id.to_string(), &parts).await;
    }

    paused.signal(Signal::CONT);
    let back = paused_subject.once(&collector, "back").await;
    let back = event(&back, "back");
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(
        time(&back["evidence"]["from_since"]) < time(&back["time"]),
        "{back:#}"
    );
}

/// Checks the explanation of a killed instance, whose time is the end of its connection.
fn killed_story(timeline: &Value, during: RangeInclusive<Timestamp>) -> Story {
    let closed = event(timeline, "connection_closed");
    let closed_at: Timestamp = closed["time"].as_str().unwrap().parse().unwrap();
    assert!(
        during.contains(&closed_at),
        "the time is not that of the connection's end: {closed}"
    );
    let down = event(timeline, "down");
    // The system resets the connection of a killed process if the process has not read all received data.
    let ended = match down["evidence"]["connection"]["cause"].as_str() {
        Some("closed_by_peer") => "was closed by the peer at",
        Some("reset") => "was reset at",
        cause => panic!("{cause:?}: {down:#}"),
    };
    assert!(down["evidence"]["missed"].as_u64() >= Some(2), "{down:#}");
    assert!(
        down["evidence"]["interval_ms"].as_u64() >= Some(500),
        "{down:#}"
    );
    let parts = [
        "Down since",
        ended,
        closed["time"].as_str().unwrap(),
        "without a goodbye",
        "killed or crashes",
    ];
    story(timeline, &parts)
}

/// Checks the explanation of an instance whose process is paused.
fn paused_story(timeline: &Value) -> Story {
    assert!(!kinds(timeline).contains(&"connection_closed".to_owned()));
    let parts = [
        "is open",
        "signals, expected about every",
        "paused or hangs",
    ];
    story(timeline, &parts)
}

/// Checks the explanation of an instance whose connection a proxy cut off.
fn cut_off_story(timeline: &Value) -> Story {
    let parts = [
        "127.0.0.2",
        "was reset at",
        "a proxy or a NAT is in between",
    ];
    story(timeline, &parts)
}

/// Checks the explanation of an instance whose agent announced its stop.
fn stopped_story(timeline: &Value) -> Story {
    story(timeline, &["Left: its agent announced its stop at"])
}

/// The sentence of an explanation, and parts that it contains.
type Story = (String, Vec<String>);

fn story(timeline: &Value, parts: &[&str]) -> Story {
    let sentence = why(timeline);
    says(&sentence, parts);
    (sentence, parts.iter().map(|it| (*it).to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explanation_of_an_instance_names_the_operator_that_took_it_offline() {
    let collector = Collector::options().start().await;
    let nacos = collector.nacos().await;
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
    let parts = ["an operator", "enabled=false"];
    says(&why(&timeline), &parts);
    explains(&collector, "10.0.0.1:80", &parts).await;
    let unknown = client.get(&format!("{path}81")).await.unwrap();
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explanation_of_an_instance_lost_with_its_collector_names_the_collector() {
    let mut cluster = Cluster::start_with(2, options).await;
    cluster.expect_trouble();
    cluster.members[0].collector.expect_log("instance down");
    let lost = Beating::start(cluster.members[1].collector.listeners(), "lost").await;
    let survivor = &cluster.members[0].collector;
    // Waits until the surviving member knows that member b saw the instance last.
    eventually(PATIENCE, async || {
        let client = survivor.http(survivor.listeners().ui);
        let path = format!("/api/instances/{}/timeline", lost.id);
        let reply = client.get(&path).await.unwrap();
        let by = reply.json::<Value>()["instance"]["why"]["observed_by"].clone();
        let is_b = by.as_str() == Some(&cluster.members[1].address());
        is_b.then_some(()).ok_or_else(|| reply.text())
    })
    .await;
    let subject = Subject::from_now(survivor, lost.id).await;
    let b = cluster.members[1].address();
    cluster.members[1].collector.kill();
    let timeline = subject.once(&cluster.members[0].collector, "down").await;
    let through = format!("through member {b}");
    let parts = [
        "Down since",
        &through,
        "disappeared without an announcement at",
        "lost with its collector",
    ];
    says(&why(&timeline), &parts);
    let survivor = &cluster.members[0].collector;
    explains(survivor, &lost.id.to_string(), &parts).await;
    assert_eq!(event(&timeline, "silent")["evidence"]["observed_by"], *b);
}
