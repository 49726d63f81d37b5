//! Tests the agent library against the real collector. The library's own tests use a fake collector.

use std::time::{Duration, Instant};

use rollcall_agent::{Activity, Agent, Builder, Phase, Status};
use rollcall_tests::{
    PATIENCE,
    process::Collector,
    proxy::{Link, Proxy},
};

fn builder() -> Builder {
    let second = Duration::from_secs(1);
    Agent::builder("orders")
        .environment([("", "")])
        .channel_interval(second)
        .register_interval(second / 10)
}

async fn until(agent: &Agent, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut changes = agent.subscribe();
    let changed = async {
        let mut status = agent.status();
        while !wanted(&status) {
            status = changes.changed().await.expect("a running agent");
        }
        status
    };
    let status = tokio::time::timeout(PATIENCE, changed).await;
    status.unwrap_or_else(|_| panic!("{what}: not observed in time: {:#?}", agent.status()))
}

/// With the default intervals, detection takes 29 s; the library's unit tests measure that in simulated time.
#[tokio::test]
async fn a_ping_detects_a_network_that_drops_packets_silently() {
    let mut collector = Collector::start().await;
    let link = Proxy::to(collector.listeners().grpc).await;
    let (interval, timeout) = (Duration::from_millis(400), Duration::from_millis(200));
    let agent = builder()
        .keepalive_interval(interval)
        .keepalive_timeout(timeout)
        .direct_collectors([link.address().to_string()])
        .start()
        .unwrap();
    let running = |status: &Status| status.phase == Phase::Running;
    let before = until(&agent, "running", running).await;
    link.set(Link::Stalled);
    let from = Instant::now();
    let lost = until(&agent, "a lost connection", |status| {
        status.collector.is_none()
    });
    let lost = lost.await;
    assert!(
        from.elapsed() < (interval + timeout) * 15,
        "detected after {:?}",
        from.elapsed()
    );
    let error = lost.last_error.expect("the reason of the lost connection");
    assert_eq!(error.activity, Activity::Connection);
    link.set(Link::Whole);
    let after = until(&agent, "running again", running).await;
    assert_eq!(after.instance_id, before.instance_id);
    agent.shutdown(PATIENCE).unwrap();
    assert!(collector.terminate().await.success());
}
