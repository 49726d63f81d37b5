//! Stories of instances that end in different ways: killed, paused, cut off by a proxy, stopped as planned, taken offline by an
//! operator, lost with the collector that received their signals.
//!
//! Each test ends real processes in its way, waits for the event of the end, and checks the sentence with which the collector
//! explains the state: in the timeline of the query API, and in the output of the command `why`. The sentence must contain the
//! parts that name the cause and the evidence. The rest of its wording is left to the unit tests.
//!
//! On a busy machine an instance may be silent for a moment before the test ends it. So a [`Story`] contains only the events after
//! its begin.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

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
async fn start_application(code: &str, at: Listeners) -> (Application, i32) {
    let application = agent().start_as(code, at);
    application.started().await.unwrap();
    let id = application.id("instance", PATIENCE).await.unwrap();
    (application, id)
}

async fn get_timeline(client: &Client, path: &str) -> Value {
    let reply = client.get(path).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// The events of an instance after a certain event.
#[derive(Clone, Copy)]
struct Story {
    instance: i32,
    /// The number of the last event before the story; 0 if there is none.
    after: u64,
}

impl Story {
    /// Begins the story of an instance now.
    async fn begin(collector: &Collector, instance: i32) -> Self {
        let timeline = timeline_of(collector, instance).await;
        let last = timeline["events"].as_array().and_then(|it| it.last());
        let after = last.and_then(|last| last["number"].as_u64());
        Self {
            instance,
            after: after.unwrap_or(0),
        }
    }

    /// Waits for an event of this kind, and returns the timeline with only the events of the story.
    async fn until(self, collector: &Collector, kind: &str) -> Value {
        eventually(PATIENCE, async || {
            let mut timeline = timeline_of(collector, self.instance).await;
            if let Some(events) = timeline["events"].as_array_mut() {
                events.retain(|event| event["number"].as_u64() > Some(self.after));
            }
            match kinds(&timeline).iter().any(|it| it == kind) {
                true => Ok(timeline),
                false => Err(format!("{timeline:#}")),
            }
        })
        .await
    }
}

async fn timeline_of(collector: &Collector, instance: i32) -> Value {
    let client = collector.http(collector.listeners().ui);
    get_timeline(&client, &format!("/api/instances/{instance}/timeline")).await
}

fn kinds(timeline: &Value) -> Vec<String> {
    let events = timeline["events"].as_array().expect("events");
    let kind = |event: &Value| event["kind"].as_str().expect("a kind").to_owned();
    events.iter().map(kind).collect()
}

/// Waits until the collector has observed the usual interval of an instance's signals.
async fn interval_is_observed(collector: &Collector, instance: i32) {
    eventually(PATIENCE, async || {
        let why = timeline_of(collector, instance).await["instance"]["why"].clone();
        let is_observed = why["usual_interval_ms"].as_u64().is_some();
        is_observed.then_some(()).ok_or(why)
    })
    .await;
}

/// A client that sends the heartbeats of an instance until this value is dropped or the connection ends.
struct HeartbeatClient {
    id: i32,
    task: AbortHandle,
}

impl HeartbeatClient {
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

impl Drop for HeartbeatClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sentence with which the collector explains the state of the instance.
fn sentence(timeline: &Value) -> String {
    timeline["why"].as_str().expect("a sentence").to_owned()
}

#[track_caller]
fn assert_contains(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "no `{part}` in: {sentence}");
    }
}

/// The last event of this kind.
fn last_event<'a>(timeline: &'a Value, kind: &str) -> &'a Value {
    let events = timeline["events"].as_array().expect("events");
    let found = events.iter().rev().find(|event| event["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {timeline:#}"))
}

/// An explanation, and parts that it must contain wherever it is shown.
#[derive(Debug)]
struct Explanation {
    sentence: String,
    parts: Vec<String>,
}

impl Explanation {
    /// The explanation in a timeline. Checks that it contains these parts.
    fn checked(timeline: &Value, parts: &[&str]) -> Self {
        let sentence = sentence(timeline);
        assert_contains(&sentence, parts);
        Self {
            sentence,
            parts: parts.iter().map(|it| (*it).to_owned()).collect(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_paused_cut_off_and_shut_down_instances_have_different_correct_explanations() {
    let mut collector = options().start().await;
    collector.expect_log("instance down");
    let at = collector.listeners();
    let proxy = Proxy::from([127, 0, 0, 2].into(), at.grpc).await;
    let through_proxy = Listeners {
        grpc: proxy.address(),
        ..at
    };
    let (mut killed, killed_id) = start_application("killed", at).await;
    let (paused, paused_id) = start_application("paused", at).await;
    let (mut stopped, stopped_id) = start_application("stopped", at).await;
    let cut_off = HeartbeatClient::start(through_proxy, "cut").await;
    for id in [killed_id, paused_id] {
        interval_is_observed(&collector, id).await;
    }
    let killed_story = Story::begin(&collector, killed_id).await;
    let paused_story = Story::begin(&collector, paused_id).await;
    let cut_off_story = Story::begin(&collector, cut_off.id).await;
    let stopped_story = Story::begin(&collector, stopped_id).await;

    // The collector rounds times down to whole milliseconds.
    let before = Timestamp::now() - SignedDuration::from_millis(1);
    killed.kill();
    paused.signal(Signal::STOP);
    proxy.set(Link::Refusing);
    killed_story.until(&collector, "connection_closed").await;
    let after = Timestamp::now();
    assert!(stopped.stop().await.success());

    let killed_timeline = killed_story.until(&collector, "down").await;
    let paused_timeline = paused_story.until(&collector, "down").await;
    let cut_off_timeline = cut_off_story.until(&collector, "down").await;
    let stopped_timeline = stopped_story.until(&collector, "left").await;

    let explanations = [
        (
            killed_id,
            explained_as_killed(&killed_timeline, before..=after),
        ),
        (paused_id, explained_as_paused(&paused_timeline)),
        (cut_off.id, explained_as_cut_off(&cut_off_timeline)),
        (stopped_id, explained_as_stopped(&stopped_timeline)),
    ];
    let sentences = explanations
        .iter()
        .map(|(_, explanation)| &explanation.sentence);
    let distinct: BTreeSet<_> = sentences.collect();
    assert_eq!(distinct.len(), explanations.len(), "{explanations:#?}");
    for (id, explanation) in &explanations {
        let parts: Vec<_> = explanation.parts.iter().map(String::as_str).collect();
        explains(&collector, &id.to_string(), &parts).await;
    }

    paused.signal(Signal::CONT);
    let timeline = paused_story.until(&collector, "back").await;
    let back = last_event(&timeline, "back");
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(
        time(&back["evidence"]["from_since"]) < time(&back["time"]),
        "{back:#}"
    );
}

/// Checks the explanation of a killed instance, whose time is the end of its connection.
fn explained_as_killed(timeline: &Value, during: RangeInclusive<Timestamp>) -> Explanation {
    let closed = last_event(timeline, "connection_closed");
    let closed_at: Timestamp = closed["time"].as_str().unwrap().parse().unwrap();
    assert!(
        during.contains(&closed_at),
        "the time is not that of the connection's end: {closed}"
    );
    let down = last_event(timeline, "down");
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
    Explanation::checked(timeline, &parts)
}

/// Checks the explanation of an instance whose process is paused.
fn explained_as_paused(timeline: &Value) -> Explanation {
    assert!(!kinds(timeline).contains(&"connection_closed".to_owned()));
    let parts = [
        "is open",
        "signals, expected about every",
        "paused or hangs",
    ];
    Explanation::checked(timeline, &parts)
}

/// Checks the explanation of an instance whose connection a proxy cut off.
fn explained_as_cut_off(timeline: &Value) -> Explanation {
    let parts = [
        "127.0.0.2",
        "was reset at",
        "a proxy or a NAT is in between",
    ];
    Explanation::checked(timeline, &parts)
}

/// Checks the explanation of an instance whose agent announced its stop.
fn explained_as_stopped(timeline: &Value) -> Explanation {
    Explanation::checked(timeline, &["Left: its agent announced its stop at"])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explanation_of_an_instance_names_the_operator_that_took_it_offline() {
    let collector = Collector::options().start().await;
    let nacos = collector.http(collector.nacos().await);
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
    let timeline = get_timeline(&client, path).await;
    assert_eq!(
        kinds(&timeline),
        ["registered", "overridden"],
        "{timeline:#}"
    );
    let parts = ["an operator", "enabled=false"];
    assert_contains(&sentence(&timeline), &parts);
    explains(&collector, "10.0.0.1:80", &parts).await;
    let unknown = client.get(&format!("{path}81")).await.unwrap();
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explanation_of_an_instance_lost_with_its_collector_names_the_collector() {
    let mut cluster = Cluster::start_with(2, options).await;
    cluster.expect_trouble();
    cluster.members[0].collector.expect_log("instance down");
    let lost = HeartbeatClient::start(cluster.members[1].collector.listeners(), "lost").await;
    let survivor = &cluster.members[0].collector;
    let lost_member = cluster.members[1].address();
    // Waits until the surviving member knows that the other one saw the instance last.
    eventually(PATIENCE, async || {
        let client = survivor.http(survivor.listeners().ui);
        let path = format!("/api/instances/{}/timeline", lost.id);
        // The instance may be unknown to the survivor at first.
        let reply = client.get(&path).await.unwrap();
        let timeline = reply.json::<Value>();
        let observed_by = &timeline["instance"]["why"]["observed_by"];
        let is_known = observed_by.as_str() == Some(&lost_member);
        is_known.then_some(()).ok_or_else(|| reply.text())
    })
    .await;
    let story = Story::begin(survivor, lost.id).await;
    cluster.members[1].collector.kill();
    let survivor = &cluster.members[0].collector;
    let timeline = story.until(survivor, "down").await;
    let through = format!("through member {lost_member}");
    let parts = [
        "Down since",
        &through,
        "disappeared without an announcement at",
        "lost with its collector",
    ];
    assert_contains(&sentence(&timeline), &parts);
    explains(survivor, &lost.id.to_string(), &parts).await;
    let silent = last_event(&timeline, "silent");
    assert_eq!(silent["evidence"]["observed_by"], *lost_member);
}
