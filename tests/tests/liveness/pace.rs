//! Tests agents that send signals less often than the configured term.

use std::time::{Duration, Instant};

use rollcall_tests::{PATIENCE, eventually, process::Collector, query::State};
use serde_json::Value;

const SILENT_AFTER: Duration = Duration::from_secs(2);
const DOWN_AFTER: Duration = Duration::from_secs(5);
/// One and a half terms, like 180 s with the default of 120 s.
const INTERVAL: Duration = Duration::from_secs(3);
const BEATS: u32 = 6;

#[tokio::test]
async fn the_observed_interval_determines_the_term_and_causes_one_warning() {
    let mut collector = Collector::options()
        .terms(SILENT_AFTER, DOWN_AFTER)
        .start()
        .await;
    collector.expect_log("less often than liveness.default.silent_after");
    let client = collector.grpc().await;
    let query = collector.query();
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    let mut changes = 0;
    let mut before = State::Up;
    for beat in 0..BEATS {
        let next = Instant::now() + INTERVAL;
        while Instant::now() < next {
            let state = query.instance(instance).await.unwrap().state;
            if state != before && beat > 0 {
                changes += 1;
            }
            before = state;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.heartbeat(instance).await.unwrap();
    }
    assert_eq!(
        changes, 1,
        "the instance did not stay up after its second signal"
    );

    let shown = query.instance(instance).await.unwrap();
    assert_eq!(shown.state, State::Up);
    let sentence = shown.why.sentence;
    assert!(
        sentence.contains("less often than liveness.default.silent_after"),
        "{sentence}"
    );
    let ready = collector
        .http(collector.listeners().ui)
        .get("/readyz")
        .await;
    let ready: Value = ready.unwrap().json();
    let reason = ready["reasons"]["terms"].as_str().unwrap_or_default();
    assert_eq!(ready["status"], "degraded");
    assert!(reason.contains("liveness.default.silent_after"), "{ready}");
    let log = collector.log();
    let warnings = log
        .iter()
        .filter(|line| line.message.contains("less often than"));
    assert_eq!(warnings.count(), 1);

    // When the instance is down, the readiness no longer reports the terms.
    eventually(PATIENCE, async || {
        let reply = collector
            .http(collector.listeners().ui)
            .get("/readyz")
            .await?;
        let body: Value = reply.json();
        if body["status"] == "ready" {
            Ok(())
        } else {
            Err(reply.text())
        }
    })
    .await;
}
