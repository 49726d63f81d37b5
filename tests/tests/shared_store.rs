//! Tests collectors that share one inventory: all of them return an id that one of them has assigned, whatever happens to the other
//! collectors and to the engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    key::{Dictionary, Key},
    process::Collector,
    proxy::Link,
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::{Code, Status};

/// The longest time until a registration fails because of the engine: its deadline of 1 s, plus the delay of a busy machine.
const PROMPT: Duration = Duration::from_secs(3);

/// The time for which the engine is unavailable. It is longer than any lease and any backoff.
const OUTAGE: Duration = Duration::from_secs(60);
/// The interval of the requests to every member during the outage.
const ROUND: Duration = Duration::from_secs(2);

/// The id of the first application in these tests.
const APPLICATION: i32 = -1;

/// One key of every dictionary.
fn keys(name: &str) -> [Key; 4] {
    [
        Key::Application(name.to_owned()),
        Key::Instance(APPLICATION, name.to_owned()),
        Key::Operation(APPLICATION, name.to_owned()),
        Key::Address(name.to_owned()),
    ]
}

/// Registers one key of every dictionary, and returns the ids.
async fn register_all(member: &Member, name: &str) -> BTreeMap<Key, i32> {
    let mut ids = BTreeMap::new();
    for key in keys(name) {
        let id = register(member, &key).await.unwrap();
        ids.insert(key, id);
    }
    ids
}

async fn register(member: &Member, key: &Key) -> Result<i32, Status> {
    let client = member.collector.grpc().await;
    let id = key.register(&client).await?;
    Ok(id.expect("an id or a status"))
}

#[track_caller]
fn assert_unavailable(answer: Result<i32, Status>) {
    let status = answer.expect_err("no id can be made durable now");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(!status.message().is_empty());
}

/// Waits until a member has this readiness status, and checks that it accepts traffic all the time.
async fn readiness(member: &Member, status: &str) {
    let client = member.collector.http(member.collector.listeners().ui);
    eventually(PATIENCE, async || {
        let reply = client.get("/readyz").await?;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body: Value = reply.json();
        let is_explained = body["reasons"]
            .as_object()
            .is_some_and(|reasons| !reasons.is_empty());
        if body["status"] == status && is_explained == (status != "ready") {
            Ok(())
        } else {
            Err(reply.text())
        }
    })
    .await;
}

fn process_ids(cluster: &Cluster) -> Vec<u32> {
    let members = cluster.members.iter();
    members.map(|member| member.collector.id()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_returns_another_members_ids_from_memory() {
    let mut cluster = Cluster::start(3).await;
    let mut ids = BTreeMap::new();
    for (number, member) in cluster.members.iter().enumerate() {
        ids.extend(register_all(member, &format!("name-{number}")).await);
    }
    cluster.settle().await;
    cluster.expect_trouble();
    cluster.etcd.kill();
    for member in &cluster.members {
        for (key, id) in &ids {
            assert_eq!(register(member, key).await.unwrap(), *id, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_requested_from_all_members_at_once_gets_one_id() {
    const KEYS: usize = 40;
    const CALLERS: usize = 4;
    let cluster = Cluster::start(3).await;
    register_all(&cluster.members[0], "name-0").await;
    let mut callers = JoinSet::new();
    for member in cluster.members.iter().cycle().take(3 * CALLERS) {
        let client = member.collector.grpc().await;
        callers.spawn(async move {
            let mut ids = BTreeMap::new();
            for number in 0..KEYS {
                for key in keys(&format!("name-{number}")) {
                    let id = key.register(&client).await.unwrap();
                    ids.insert(key, id.expect("an id"));
                }
            }
            ids
        });
    }
    let answers = callers.join_all().await;
    for others in &answers[1..] {
        assert_eq!(*others, answers[0]);
    }
    for dictionary in Dictionary::ALL {
        let assigned = answers[0]
            .iter()
            .filter(|(key, _)| key.dictionary() == dictionary);
        assert_eq!(
            assigned.map(|(_, id)| *id).collect::<BTreeSet<_>>(),
            dictionary.sequence().take(KEYS).collect()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_starts_later_has_all_ids() {
    let mut cluster = Cluster::start(1).await;
    let mut ids = BTreeMap::new();
    for number in 0..50 {
        ids.extend(register_all(&cluster.members[0], &format!("name-{number}")).await);
    }
    cluster.join().await;
    cluster.expect_trouble();
    cluster.etcd.kill();
    for (key, id) in ids {
        assert_eq!(
            register(&cluster.members[1], &key).await.unwrap(),
            id,
            "{key}"
        );
    }
}

/// Checks that the member returns the known ids, and refuses a new application and a new address.
async fn returns_known_ids_only(member: &Member, known: &BTreeMap<Key, i32>, new: &str) {
    for (key, id) in known {
        assert_eq!(register(member, key).await.unwrap(), *id, "{key}");
    }
    let called = Instant::now();
    assert_unavailable(register(member, &Key::Application(new.to_owned())).await);
    assert!(called.elapsed() < PROMPT, "{:?}", called.elapsed());
    let jetty = member.collector.http(member.collector.listeners().jetty);
    let reply = jetty
        .post("/networkAddress/register", r#"["new:80"]"#)
        .await
        .unwrap();
    assert_eq!(reply.status, 503, "{}", reply.text());
    readiness(member, "degraded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_survive_an_outage_of_their_engine() {
    let mut cluster = Cluster::start(3).await;
    let known = register_all(&cluster.members[0], "known").await;
    cluster.settle().await;
    let processes = process_ids(&cluster);
    cluster.expect_trouble();
    cluster.etcd.kill();
    let killed = Instant::now();
    let mut round = tokio::time::interval(ROUND);
    while killed.elapsed() < OUTAGE {
        round.tick().await;
        for (number, member) in cluster.members.iter().enumerate() {
            returns_known_ids_only(member, &known, &format!("new-{number}")).await;
        }
    }

    cluster.etcd.restart().await;
    let mut ids = BTreeSet::new();
    for (number, member) in cluster.members.iter().enumerate() {
        let key = Key::Application(format!("new-{number}"));
        ids.insert(eventually(PATIENCE, async || register(member, &key).await).await);
        readiness(member, "ready").await;
    }
    assert_eq!(ids, BTreeSet::from([2, -2, 3]));
    assert_eq!(process_ids(&cluster), processes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_member_catches_up_after_the_history_is_compacted() {
    let mut cluster = Cluster::start(2).await;
    cluster.expect_trouble();
    for (number, link) in [Link::Refusing, Link::Stalled].into_iter().enumerate() {
        cluster.members[1].engine_link.set(link);
        let missed = register_all(&cluster.members[0], &format!("missed-{number}")).await;
        cluster.etcd.compact().await;
        cluster.members[1].engine_link.set(Link::Whole);
        cluster.settle().await;
        for (key, id) in missed {
            assert_eq!(
                register(&cluster.members[1], &key).await.unwrap(),
                id,
                "{key}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_member_assigns_no_id_that_another_member_has_assigned() {
    let mut cluster = Cluster::start(2).await;
    cluster.expect_trouble();
    let (active, paused) = (&cluster.members[0], &cluster.members[1]);
    let mut ids = register_all(active, "first").await;
    cluster.settle().await;
    let client = paused.collector.grpc().await;
    paused.collector.signal(Signal::STOP);
    let called = || keys("new").into_iter().chain(keys("meanwhile-3"));
    let mut waiting = JoinSet::new();
    for key in called() {
        let client = client.clone();
        waiting.spawn(async move { (key.register(&client).await, key) });
    }
    for number in 0..10 {
        ids.extend(register_all(active, &format!("meanwhile-{number}")).await);
    }
    paused.collector.signal(Signal::CONT);
    // The resumed member handles the waiting requests first. Some may fail, because it may have lost its engine.
    let answers = waiting.join_all().await.into_iter();
    let early = answers.filter_map(|(answer, key)| Some((key, answer.ok()??)));
    let mut answers = early.collect::<Vec<_>>();
    for key in called() {
        let id = eventually(PATIENCE, async || register(paused, &key).await).await;
        answers.push((key, id));
    }
    for (key, id) in answers {
        let assigned = *ids.entry(key.clone()).or_insert(id);
        assert_eq!(assigned, id, "{key}");
    }
    for dictionary in Dictionary::ALL {
        let assigned = ids.iter().filter(|(key, _)| key.dictionary() == dictionary);
        assert_eq!(
            assigned.map(|(_, id)| *id).collect::<BTreeSet<_>>(),
            dictionary.sequence().take(12).collect(),
            "{dictionary:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_member_assigns_an_id_that_one_member_has_adopted() {
    const HELD: (i32, i32) = (2, 3);
    let cluster = Cluster::start_with(3, || Collector::options().without_listening()).await;
    let adopting = cluster.members[0].collector.grpc().await;
    adopting.recover(HELD.0, HELD.1).await.unwrap();
    let mut assigned = BTreeSet::new();
    for number in 0..4 {
        for (at, member) in cluster.members.iter().enumerate() {
            for (key, id) in register_all(member, &format!("name-{at}-{number}")).await {
                assigned.insert((key.dictionary(), id));
            }
        }
    }
    assert!(
        !assigned.contains(&(Dictionary::Applications, HELD.0)),
        "{assigned:?}"
    );
    assert!(
        !assigned.contains(&(Dictionary::Instances, HELD.1)),
        "{assigned:?}"
    );
    cluster.settle().await;
    for member in &cluster.members {
        let instance = member.collector.query().instance(HELD.1).await.unwrap();
        assert_eq!(
            (instance.adopted, instance.application_id),
            (true, Some(HELD.0))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_reported_to_one_member_are_shown_by_all() {
    let cluster = Cluster::start(3).await;
    let ids = register_all(&cluster.members[0], "orders").await;
    let id = ids[&Key::Instance(APPLICATION, "orders".to_owned())];
    let reported = cluster.members[0]
        .collector
        .query()
        .instance(id)
        .await
        .unwrap();
    assert!(!reported.properties.is_empty());
    for member in &cluster.members {
        eventually(PATIENCE, async || {
            match member.collector.query().instance(id).await {
                Ok(seen)
                    if (&seen.properties, &seen.registered_at)
                        == (&reported.properties, &reported.registered_at) =>
                {
                    Ok(())
                }
                other => Err(other),
            }
        })
        .await;
    }
}
