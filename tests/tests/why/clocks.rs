//! The clocks of agents: evidence in their events, and one line for a wrong one.

use jiff::Timestamp;
use rollcall_tests::{PATIENCE, eventually, process::Collector};
use serde_json::Value;

/// How far the clock of the agent is ahead, in milliseconds.
const AHEAD: i64 = 90_000;

async fn events(collector: &Collector, instance: i32) -> Vec<Value> {
    let client = collector.http(collector.listeners().ui);
    let path = format!("/api/instances/{instance}/timeline");
    let timeline: Value = client.get(&path).await.unwrap().json();
    timeline["events"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_an_agent_is_evidence_and_a_wrong_one_is_one_line() {
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
    // The call takes time, which makes the clock look less ahead.
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
        "once for each instance"
    );
}
