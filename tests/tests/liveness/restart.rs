//! Tests a restarted member, which knows its instances from the store but has received no signals of them.

use std::time::{Duration, Instant};

use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    grpc::Client,
    process::{Collector, Options},
    proxy::Link,
    query::State,
};
use tokio::{task::JoinSet, time::interval};

/// Terms that are longer than a short pause of the machine.
const SILENT_AFTER: Duration = Duration::from_secs(3);
const DOWN_AFTER: Duration = Duration::from_secs(6);
/// The time after a restart in which members may report only up. It is longer than both terms.
const WATCHED: Duration = Duration::from_secs(8);
/// The interval between two signals.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// The options of members that exchange signals less often than the first term.
fn seldom() -> Options {
    options("6s")
}

fn often() -> Options {
    options("500ms")
}

fn options(write_back: &str) -> Options {
    Collector::options()
        .terms(SILENT_AFTER, DOWN_AFTER)
        .env("SW_LIVENESS_WRITE_BACK_INTERVAL", write_back)
}

/// An agent that sends heartbeats to one collector until the value is dropped.
fn beat(collector: Client, instance: i32) -> JoinSet<()> {
    let mut agent = JoinSet::new();
    agent.spawn(async move {
        let mut beats = interval(HEARTBEAT);
        loop {
            beats.tick().await;
            let _failed = collector.heartbeat(instance).await;
        }
    });
    agent
}

/// The state that a member reports; `None` while it does not answer.
async fn state(member: &Member, instance: i32) -> Option<State> {
    let instance = member.collector.query().instance(instance).await;
    instance.ok().map(|instance| instance.state)
}

/// Checks that all members report an instance only as up during this time.
async fn assert_up(cluster: &Cluster, instance: i32, during: Duration) {
    let since = Instant::now();
    while since.elapsed() < during {
        for (number, member) in cluster.members.iter().enumerate() {
            let reported = state(member, instance).await;
            assert!(
                reported.is_none_or(|state| state == State::Up),
                "member {number} reports {reported:?} after {:?}",
                since.elapsed()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Registers an instance that sends heartbeats to the first member, and waits until all members report it as up.
async fn instance(cluster: &Cluster) -> (i32, JoinSet<()>) {
    let client = cluster.members[0].collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    let agent = beat(client, instance);
    for member in &cluster.members {
        eventually(PATIENCE, async || match state(member, instance).await {
            Some(State::Up) => Ok(()),
            other => Err(other),
        })
        .await;
    }
    (instance, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_heartbeats_to_another_member_stays_up_if_exchanges_are_rarer_than_the_term()
 {
    let mut cluster = Cluster::start_with(3, seldom).await;
    let (instance, _agent) = instance(&cluster).await;
    cluster.members[1].collector.terminate().await;
    cluster.members[1].collector.restart().await;
    assert_up(&cluster, instance, WATCHED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_heartbeats_to_another_member_stays_up_in_an_outage_after_a_restart() {
    let mut cluster = Cluster::start_with(2, often).await;
    cluster.expect_trouble();
    let (instance, agent) = instance(&cluster).await;
    cluster.members[1].collector.terminate().await;
    cluster.members[1].collector.restart().await;
    cluster.members[1].engine_link.set(Link::Refusing);
    // For an instance that another member has seen last, the term for silent is 9 s here, and the term for down is 12 s.
    assert_up(&cluster, instance, Duration::from_secs(16)).await;
    cluster.members[1].engine_link.set(Link::Whole);
    assert_up(&cluster, instance, Duration::from_secs(2)).await;
    drop(agent);
    for member in &cluster.members {
        eventually(PATIENCE, async || match state(member, instance).await {
            Some(State::Down) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

#[tokio::test]
async fn contradictory_terms_and_intervals_are_refused() {
    let refused = |name: &'static str, value: &'static str, key: &'static str| async move {
        let run = often()
            .env("SW_STORAGE", "etcd")
            .env(name, value)
            .run()
            .await;
        assert_eq!(run.code, Some(64), "{run:#?}");
        for key in [key, "down_after"] {
            assert!(run.stderr.contains(key), "{run:#?}");
        }
    };
    refused(
        "SW_LIVENESS_WRITE_BACK_INTERVAL",
        "7s",
        "liveness.default.write_back_interval",
    )
    .await;
    refused(
        "SW_LIVENESS_FORGET_AFTER",
        "6s",
        "liveness.default.forget_after",
    )
    .await;
}
