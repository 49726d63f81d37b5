//! Tests that collectors with a shared store report the same states, also after the death of the member that received the
//! signals.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rollcall_tests::{
    PATIENCE,
    engine::{Etcd, Server},
    eventually,
    grpc::Client,
    process::Collector,
    query::{Instance, State},
};
use tokio::{task::JoinSet, time::interval};

/// Terms that are longer than a two-second pause of the whole machine.
const SILENT_AFTER: Duration = Duration::from_secs(4);
const DOWN_AFTER: Duration = Duration::from_secs(6);
/// The interval at which members exchange last-seen times.
const WRITE_BACK: Duration = Duration::from_millis(500);
/// The interval between two signals of an agent.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// The tolerance: one second of difference between members, plus a two-second pause of the machine.
const LATE: Duration = Duration::from_secs(3);

async fn member(etcd: &Server<Etcd>) -> Collector {
    Collector::options()
        .terms(SILENT_AFTER, DOWN_AFTER)
        .env(
            "SW_LIVENESS_WRITE_BACK_INTERVAL",
            format!("{}ms", WRITE_BACK.as_millis()),
        )
        .env("SW_CLUSTER", "etcd")
        .env("SW_CLUSTER_ETCD_ENDPOINTS", etcd.address().to_string())
        .env("SW_CLUSTER_ETCD_LEASE_TERM", "2s")
        .env("SW_STORAGE", "etcd")
        .start()
        .await
}

/// Starts agents that send heartbeats until the returned value is dropped. Heartbeats to a dead member are lost.
fn beat(collector: Client, instances: &[i32]) -> JoinSet<()> {
    let mut agents = JoinSet::new();
    for &instance in instances {
        let collector = collector.clone();
        agents.spawn(async move {
            let mut beats = interval(HEARTBEAT);
            loop {
                beats.tick().await;
                let _gone = collector.heartbeat(instance).await;
            }
        });
    }
    agents
}

/// The instances of an application, as a member reports them.
async fn roster(member: &Collector, application: i32) -> Result<BTreeMap<i32, Instance>, String> {
    let instances = member.query().instances(application).await?;
    Ok(instances.into_iter().map(|one| (one.id, one)).collect())
}

/// Waits until two members report this state for all instances, with last-seen times that differ by at most the interval at which
/// members exchange them. Returns each instance as both members report it.
async fn both_report(
    members: [&Collector; 2],
    application: i32,
    instances: &[i32],
    state: State,
) -> Vec<[Instance; 2]> {
    eventually(PATIENCE, async || {
        let [one, other] = members;
        let rosters = [
            roster(one, application).await?,
            roster(other, application).await?,
        ];
        let seen = |id: &i32| {
            let seen = [&rosters[0], &rosters[1]].map(|roster| roster.get(id).cloned());
            let [Some(one), Some(other)] = seen else {
                return Err(format!("{id} is not listed by both members: {seen:?}"));
            };
            let apart = one.last_seen_at.duration_since(other.last_seen_at).abs();
            let agree = [one.state, other.state] == [state; 2] && apart <= signed(WRITE_BACK);
            if agree {
                Ok([one, other])
            } else {
                Err(format!("{one:?} and {other:?}"))
            }
        };
        instances.iter().map(seen).collect::<Result<Vec<_>, _>>()
    })
    .await
}

/// The metrics in which a member counts differences between itself and the other members.
async fn differences(member: &Collector) -> Vec<String> {
    let metrics = member.http(member.listeners().ui).get("/metrics").await;
    let text = metrics.unwrap().text();
    let is_about = |line: &&str| {
        line.starts_with("rollcall_inventory_diverged")
            || line.starts_with("rollcall_roster_repaired_total")
    };
    text.lines().filter(is_about).map(str::to_owned).collect()
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap()
}

#[tokio::test]
async fn the_roster_survives_the_death_of_the_member_that_received_the_signals() {
    let etcd = Server::<Etcd>::start().await;
    let mut stopped = member(&etcd).await;
    let (one, other) = (member(&etcd).await, member(&etcd).await);
    let client = stopped.grpc().await;
    let application = client.application("orders").await.unwrap();
    let mut instances = Vec::new();
    for number in 0..6 {
        let uuid = format!("process {number}");
        instances.push(client.instance(application, &uuid).await.unwrap());
    }
    let (moving, staying) = instances.split_at(3);
    let mut agents = beat(client, &instances);
    let members = [&one, &other];
    let before = both_report(members, application, &instances, State::Up).await;

    let killed = Timestamp::now();
    stopped.kill();
    agents.shutdown().await;
    let _moved = beat(one.grpc().await, moving);
    let down = both_report(members, application, staying, State::Down).await;
    for seen in &down {
        let [one, other] = seen;
        let apart = one.since.duration_since(other.since).abs();
        assert!(apart <= signed(LATE), "{seen:?}");
        for seen in seen {
            let term = seen.since.duration_since(killed);
            assert!(term >= signed(DOWN_AFTER), "down after {term}: {seen:?}");
            let unseen_for = seen.since.duration_since(seen.last_seen_at);
            let least = DOWN_AFTER + 2 * WRITE_BACK;
            assert!(
                unseen_for >= signed(least),
                "down before the signals of the killed member could arrive: {seen:?}"
            );
            let unseen = killed.duration_since(seen.last_seen_at);
            assert!(unseen <= signed(WRITE_BACK + LATE), "{unseen}: {seen:?}");
        }
    }
    let up = both_report(members, application, moving, State::Up).await;
    for (before, after) in before.iter().zip(&up) {
        for (before, after) in before.iter().zip(after) {
            assert_eq!(before.id, after.id);
            assert_eq!(
                before.since, after.since,
                "the instance was not up all the time"
            );
        }
    }
    for member in members {
        assert_eq!(
            differences(member).await,
            [
                "rollcall_inventory_diverged 0",
                "rollcall_roster_repaired_total 0"
            ]
        );
    }
}
