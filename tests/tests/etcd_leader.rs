//! Tests collectors whose etcd loses its leader several times.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE,
    engine::Ensemble,
    eventually,
    grpc::Client,
    key::{Dictionary, Key},
    process::Collector,
};
use tokio::{sync::watch, task::JoinSet};
use tonic::Code;

const MEMBERS: usize = 3;
const WRITERS: usize = 12;
const KILLS: usize = 3;
/// The pause between two requests of a writer.
const PAUSE: Duration = Duration::from_millis(5);
/// The smallest number of keys with ids for a meaningful result.
const ENOUGH: usize = 100;
/// The number of keys in one request of the final check.
const AT_ONCE: usize = 200;

/// Starts a collector that uses all servers of `etcd`. Its log may report that they are unavailable.
async fn start(etcd: &Ensemble) -> Collector {
    let endpoints = etcd.addresses().map(|address| address.to_string());
    let options = Collector::options()
        .env("SW_CLUSTER", "etcd")
        .env("SW_CLUSTER_ETCD_ENDPOINTS", endpoints.join(","))
        .env("SW_CLUSTER_ETCD_LEASE_TERM", "2s")
        .env("SW_STORAGE", "etcd");
    let mut collector = options.start().await;
    collector.expect_outage();
    collector
}

/// Registers new names until the sender of `stop` is dropped. Returns the assigned ids.
async fn write(writer: usize, to: Client, mut stop: watch::Receiver<()>) -> BTreeMap<Key, i32> {
    let mut ids = BTreeMap::new();
    let mut number = 0;
    while tokio::time::timeout(PAUSE, stop.changed()).await.is_err() {
        let name = format!("{writer}-{number}");
        let key = if number % 2 == 0 {
            Key::Application(name)
        } else {
            Key::Address(name)
        };
        match key.register(&to).await {
            Ok(Some(id)) => {
                ids.insert(key, id);
                number += 1;
            }
            // The key has no id yet: the next round requests it again.
            Ok(None) => {}
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
    ids
}

/// Waits until every collector has assigned an id to a new key.
async fn all_collectors_assign(clients: &[Client], when: &str) {
    for (number, client) in clients.iter().enumerate() {
        let key = Key::Application(format!("{number} {when}"));
        eventually(PATIENCE, async || match key.register(client).await {
            Ok(Some(_)) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

/// Checks that all collectors return these ids, and that no two keys of a dictionary have the same id.
async fn all_collectors_return(clients: &[Client], ids: BTreeMap<Key, i32>) {
    for dictionary in Dictionary::ALL {
        let assigned = ids.iter().filter(|(key, _)| key.dictionary() == dictionary);
        let assigned: Vec<_> = assigned.map(|(_, id)| *id).collect();
        let distinct: BTreeSet<_> = assigned.iter().collect();
        assert_eq!(distinct.len(), assigned.len(), "{dictionary:?}");
    }
    let keys: Vec<_> = ids.keys().cloned().collect();
    for client in clients {
        let mut answers = BTreeMap::new();
        for keys in keys.chunks(AT_ONCE) {
            answers.extend(Key::register_all(keys, client).await.unwrap());
        }
        assert_eq!(answers, ids);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_changes_and_no_collector_restarts_when_the_leader_of_etcd_is_killed() {
    let mut etcd = Ensemble::start().await;
    let mut collectors = Vec::new();
    for _ in 0..MEMBERS {
        collectors.push(start(&etcd).await);
    }
    let processes = || collectors.iter().map(Collector::id).collect::<Vec<_>>();
    let before = processes();
    let servers = collectors
        .iter()
        .map(|collector| collector.listeners().grpc);
    let clients: Vec<_> = servers.map(Client::lazy).collect();
    all_collectors_assign(&clients, "at the start").await;

    let (stop, stopped) = watch::channel(());
    let mut writers = JoinSet::new();
    for (number, client) in clients.iter().cycle().take(WRITERS).enumerate() {
        writers.spawn(write(number, client.clone(), stopped.clone()));
    }
    for kill in 0..KILLS {
        let leader = etcd.leader().await;
        leader.kill();
        let killed = Instant::now();
        all_collectors_assign(&clients, &format!("after kill {kill}")).await;
        println!("kill {kill}: all assign after {:?}", killed.elapsed());
        leader.restart().await;
    }
    drop(stop);
    let ids: BTreeMap<_, _> = writers.join_all().await.into_iter().flatten().collect();
    println!("{} ids", ids.len());
    assert!(ids.len() >= ENOUGH, "too few ids for a meaningful result");
    all_collectors_return(&clients, ids).await;
    assert_eq!(processes(), before);
}
