//! Tests the clocks of agents: events have the clock skew as evidence, and a wrong clock is logged once.

use jiff::Timestamp;
use rollcall_tests::{PATIENCE, eventually, process::Collector};
use serde_json::{Value, json};

/// The time by which the agent's clock is ahead, in milliseconds.
const AHEAD: i64 = 90_000;

async fn events(collector: &Collector, instance: i32) -> Vec<Value> {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/instances/{instance}/timeline");
    let timeline: Value = client.get(&path).await.unwrap().json();
    timeline["events"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_evidence_in_events_and_logged_once() {
    let mut collector = Collector::start().await;
    collector.expect_log("the clock of an agent differs");
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    let beat = async |client: &rollcall_tests::grpc::Client| {
        let time = Timestamp::now().as_millisecond() + AHEAD;
        client.heartbeat_at(instance, time).await.unwrap();
    };
    beat(&client).await;
    let line = collector
        .wait_for_log(|line| line.message.starts_with("the clock of an agent differs"))
        .await;
    let skew = line.fields["clock_skew_ms"].as_i64().unwrap();
    // The duration of the call makes the clock look less ahead.
    assert!((AHEAD - 30_000..=AHEAD).contains(&skew), "{line:?}");
    drop(client);
    eventually(PATIENCE, async || {
        let events = events(&collector, instance).await;
        let is_closed = events.iter().any(|it| it["kind"] == "connection_closed");
        is_closed.then_some(()).ok_or(events)
    })
    .await;

    beat(&collector.grpc().await).await;
    let events = events(&collector, instance).await;
    let found = events.iter().find(|it| it["kind"] == "reconnected");
    let reconnected = found.unwrap_or_else(|| panic!("{events:#?}"));
    let skew = reconnected["evidence"]["clock_skew_ms"].as_i64();
    assert!(
        skew.is_some_and(|it| (AHEAD - 30_000..=AHEAD).contains(&it)),
        "{reconnected:#}"
    );
    collector.terminate().await;
    let log = collector.log();
    let is_it = |line: &&rollcall_tests::process::Line| line.message.contains("clock of an agent");
    assert_eq!(
        log.iter().filter(is_it).count(),
        1,
        "the wrong clock was not logged exactly once"
    );
}

/// Waits until the timeline of an instance has an event about its clock, and both the event and the explanation name the direction.
async fn shows(collector: &Collector, instance: i32, direction: &str) {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/instances/{instance}/timeline");
    eventually(PATIENCE, async || {
        let timeline: Value = client.get(&path).await.unwrap().json();
        let events = timeline["events"].as_array().unwrap();
        let event = events.iter().find(|it| it["kind"] == "clock_differs");
        let says = |text: &Value| text.as_str().is_some_and(|it| it.contains(direction));
        let is_shown = event.is_some_and(|event| {
            event["evidence"]["clock_skew_ms"].is_i64() && says(&event["text"])
        });
        let is_known = timeline["instance"]["why"]["clock_skew_ms"].is_i64();
        let is_explained = is_known && says(&timeline["why"]);
        (is_shown && is_explained).then_some(()).ok_or(timeline)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_an_event_over_every_protocol_that_carries_the_time() {
    let mut collector = Collector::start().await;
    collector.expect_log("the clock of an agent differs");
    let agent = collector.grpc().await;
    let application = agent.application("orders").await.unwrap();
    let ahead = || Timestamp::now().as_millisecond() + AHEAD;
    let behind = || Timestamp::now().as_millisecond() - AHEAD;
    // Each client has its own connection, because only the first time on a connection is compared.
    let post = async |path: &str, body: Value| {
        let client = collector.http(collector.listeners().jetty);
        let reply = client.post(path, body.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json::<Value>()
    };

    let os = json!({"osName": "Linux", "hostName": "h", "processId": 1, "ipv4s": []});
    let new = json!({"ai": application, "au": "5.x", "rt": ahead(), "oi": os});
    let registered = post("/instance/register", new).await;
    let id = registered["ii"].as_i64().unwrap();
    shows(
        &collector,
        id.try_into().unwrap(),
        "ahead of this collector's",
    )
    .await;

    let beating = agent.instance(application, "5.x beats").await.unwrap();
    let beat = json!({"ii": beating, "ht": behind()});
    post("/instance/heartbeat", beat).await;
    shows(&collector, beating, "behind this collector's").await;

    let new =
        json!({"serviceId": application, "instanceUUID": "6.x", "time": ahead(), "properties": []});
    let registered = post("/v2/instance/register", json!({"instances": [new]})).await;
    let id = registered[0]["value"].as_i64().unwrap();
    shows(
        &collector,
        id.try_into().unwrap(),
        "ahead of this collector's",
    )
    .await;

    let pinging = agent.instance(application, "6.x pings").await.unwrap();
    let ping =
        json!({"serviceInstanceId": pinging, "serviceInstanceUUID": "6.x pings", "time": behind()});
    post("/v2/instance/heartbeat", ping).await;
    shows(&collector, pinging, "behind this collector's").await;

    let measured = agent.instance(application, "jvm").await.unwrap();
    let client = collector.grpc().await;
    client.jvm_metrics_at(measured, ahead()).await.unwrap();
    shows(&collector, measured, "ahead of this collector's").await;
}
