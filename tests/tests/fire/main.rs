//! Tests a cluster under random faults: members and the engine are killed, paused, disconnected, filled, damaged and restarted,
//! while writers register names and agents send signals. The whole history must be one that a single collector can produce, no
//! member may report an assigned id as unknown, and no member may report an agent as down while it sends signals to any member.

mod agent;
mod dump;
mod episode;
mod fleet;
mod observer;
mod recorder;
mod writer;

use std::{
    collections::BTreeSet,
    iter,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rollcall_tests::{
    PATIENCE,
    cluster::Cluster,
    eventually,
    grpc::Client,
    history::{History, Operation, Reply, Request},
    key::Key,
    process::{Collector, Options},
};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use episode::Episode;
use fleet::Fleet;
use recorder::Recorder;
use writer::Writer;

const MEMBERS: usize = 3;
const WRITERS: usize = 64;
/// The number of connections to each member, which the writers share.
const CONNECTIONS: usize = 8;
const EPISODES: usize = 60;
/// After every third episode, the test waits until every member assigns ids again. All other episodes begin while the previous one
/// may still have effects.
const RESPITE_EVERY: usize = 3;
/// The longest name that a collector can be configured to accept.
const LONGEST: usize = 64 * 1024;
/// The number of keys in one request of the final check.
const AT_ONCE: usize = 200;
/// The smallest number of keys with ids for a meaningful history.
const ENOUGH: usize = 2_000;
/// The terms of an instance whose signals a member receives itself.
const SILENT_AFTER: Duration = Duration::from_secs(3);
const DOWN_AFTER: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn promises_hold_under_random_faults() {
    let seed = std::env::var("FIRE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("FIRE_SEED={seed} repeats these faults");
    let mut random = Rng::with_seed(seed);
    let mut cluster = cluster().await;
    let mut recorder = Recorder::new(Instant::now());
    every_member_assigns(&cluster, &mut recorder, "at the start").await;

    let (stop, stopped) = watch::channel(());
    let connections = connections(&cluster);
    let fleet = Fleet::start(&cluster, &connections, &mut recorder, &mut random, &stopped).await;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let members = connections[number % CONNECTIONS].clone();
        let recorder = Recorder::new(recorder.start());
        let writer = Writer::new(number, members, recorder, random.fork());
        writers.spawn(writer.run(stopped.clone()));
    }
    let episodes = Episode::one_of_each(&mut random);
    let random = iter::from_fn(|| Some(Episode::random(&mut random)));
    for (number, episode) in (1..=EPISODES).zip(episodes.into_iter().chain(random)) {
        println!("{:?}: {number}: {episode}", recorder.start().elapsed());
        episode.run(&mut cluster).await;
        if number % RESPITE_EVERY == 0 {
            every_member_assigns(&cluster, &mut recorder, &format!("after {number}")).await;
        }
    }
    drop(stop);
    let mut operations = recorder.into_operations();
    operations.extend(writers.join_all().await.into_iter().flatten());
    let (signals, reports) = fleet.end().await;
    operations.extend(signals);
    let history = History {
        operations,
        reports,
        // The collector rounds both ends of a period without a signal to milliseconds.
        down_after: DOWN_AFTER - Duration::from_millis(10),
        dumps: Vec::new(),
    };
    check(&cluster, history, seed).await;
    is_whole(&cluster).await;
}

/// Starts the members, and allows the log lines that the faults cause.
async fn cluster() -> Cluster {
    let mut cluster = Cluster::start_with(MEMBERS, options).await;
    cluster.expect_trouble();
    for member in &mut cluster.members {
        for text in [
            "a key of the store was skipped",
            "the store is damaged",
            // Writers send the signals of an instance at irregular intervals.
            "an agent sends signals less often",
            // All agents may be waiting for the same fault to end.
            "many instances fell silent at once",
        ] {
            member.collector.expect_log(text);
        }
    }
    cluster
}

/// The options of a member. An instance without signals soon becomes silent, so most batches report states. Members exchange
/// signals at a longer interval, so a restarted member gets no report of an instance for longer than its term.
fn options() -> Options {
    Collector::options()
        .without_listening()
        .terms(SILENT_AFTER, DOWN_AFTER)
        .env("SW_LIVENESS_WRITE_BACK_INTERVAL", "6s")
        .env("SW_REGISTER_MAX_NAME_BYTES", LONGEST.to_string())
}

/// The clients of every member, one set for each group of writers.
fn connections(cluster: &Cluster) -> Vec<Vec<Client>> {
    let servers = cluster
        .members
        .iter()
        .map(|member| member.collector.listeners().grpc);
    let clients = || servers.clone().map(Client::lazy).collect();
    (0..CONNECTIONS).map(|_| clients()).collect()
}

/// Waits until every member assigns an id to a new key.
async fn every_member_assigns(cluster: &Cluster, recorder: &mut Recorder, when: &str) {
    for (number, member) in cluster.members.iter().enumerate() {
        let client = Client::lazy(member.collector.listeners().grpc);
        let request = Request::Assign(Key::Application(format!("{number} {when}")));
        eventually(PATIENCE, async || {
            recorder.send(number, &client, request.clone()).await
        })
        .await;
    }
}

/// Dumps every member and checks the whole history.
async fn check(cluster: &Cluster, mut history: History, seed: u64) {
    let operations = history.operations.iter();
    let failed = operations.filter(|operation| operation.answer.is_err());
    println!(
        "{} operations, of which {} failed, on {} keys",
        history.operations.len(),
        failed.count(),
        history.keys().len()
    );
    assert!(
        assigned_ids(&history.operations) >= ENOUGH,
        "too few ids for a meaningful history"
    );
    assign(cluster, history.keys().into_iter().collect()).await;
    for member in &cluster.members {
        let dump = dump::of(&member.collector, &history).await;
        history.dumps.push(dump);
    }
    if let Err(violation) = history.check() {
        panic!("FIRE_SEED={seed}: {violation}");
    }
}

/// Waits until neither the store nor the cluster degrades any member, because members recover from every fault.
async fn is_whole(cluster: &Cluster) {
    for member in &cluster.members {
        let ui = member.collector.http(member.collector.listeners().ui);
        eventually(PATIENCE, async || {
            let body: Value = ui.get("/readyz").await?.json();
            let reasons = body["reasons"].as_object();
            let mut names = reasons.into_iter().flat_map(serde_json::Map::keys);
            if names.all(|name| name == "terms") {
                Ok(())
            } else {
                Err(body.to_string())
            }
        })
        .await;
    }
}

/// The number of keys with an assigned id.
fn assigned_ids(operations: &[Operation]) -> usize {
    let keys =
        operations
            .iter()
            .filter_map(|operation| match (&operation.request, &operation.answer) {
                (Request::Assign(key), Ok(Reply::Id(_))) => Some(key),
                _ => None,
            });
    keys.collect::<BTreeSet<_>>().len()
}

/// Requests every key, including keys whose requests failed, until each has an id, and waits until all members know the ids.
async fn assign(cluster: &Cluster, keys: Vec<Key>) {
    let client = cluster.members[0].collector.grpc().await;
    for keys in keys.chunks(AT_ONCE) {
        eventually(PATIENCE, async || {
            let ids = Key::register_all(keys, &client).await;
            let ids = ids.map_err(|status| status.to_string())?;
            if ids.len() == keys.len() {
                Ok(())
            } else {
                Err(format!("{} of {} keys", ids.len(), keys.len()))
            }
        })
        .await;
    }
    cluster.settle().await;
}
