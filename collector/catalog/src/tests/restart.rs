//! Restarts: no consumer gets a list that lacks live instances.

use std::sync::Arc;

use super::*;
use crate::{
    Config, Error, NoEvents,
    store::{Change, Memory, Row, Store as _, Table},
};

fn again(store: Memory) -> Running {
    Running::with(Config::default(), store, Arc::new(NoEvents))
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_instances_of_the_last_run_are_there_at_once() {
    let running = Running::start();
    let registered = registration("10.0.0.1");
    let publisher = registered.endpoint.publisher();
    let catalog = &running.catalog;
    catalog
        .register_ephemeral(&publisher, &key("a"), registered.clone())
        .unwrap();
    let running = again(running.stop().await.unwrap());
    let catalog = &running.catalog;
    assert!(catalog.is_complete());
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"]);
    seconds(10).await;
    let beat = catalog.beat(&key("a"), &registered.endpoint, None).unwrap();
    assert_eq!(
        beat,
        Beat::Renewed(Duration::from_secs(5)),
        "a light beat is enough"
    );
    assert_eq!(catalog.published_by(&publisher).len(), 1);
    seconds(14).await;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_beat_restores_the_own_terms_of_an_instance_of_the_last_run() {
    let running = Running::start();
    let terms = [
        ("preserved.heart.beat.timeout", "7000"),
        ("preserved.ip.delete.timeout", "8000"),
    ];
    let registered = Registration {
        metadata: Arc::new(terms.into_iter().collect()),
        ..registration("10.0.0.1")
    };
    let (catalog, endpoint) = (&running.catalog, registered.endpoint.clone());
    catalog
        .register_ephemeral(&endpoint.publisher(), &key("a"), registered)
        .unwrap();
    seconds(1).await;
    let running = again(running.store.clone());
    let catalog = &running.catalog;
    catalog.beat(&key("a"), &endpoint, None).unwrap();
    seconds(6).await;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"]);
    // Allows for the ticks of the wheel and of the sweep.
    seconds(3).await;
    assert!(ips(catalog, "a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_return_is_removed_after_its_term() {
    let running = Running::start();
    let registered = registration("10.0.0.1");
    let catalog = &running.catalog;
    catalog
        .register_ephemeral(&registered.endpoint.publisher(), &key("a"), registered)
        .unwrap();
    seconds(1).await;
    // Killed: nothing is written after this.
    let running = again(running.store.clone());
    assert_eq!(ips(&running.catalog, "a"), ["10.0.0.1"]);
    seconds(16).await;
    assert!(ips(&running.catalog, "a").is_empty());
    seconds(15).await;
    assert!(running.catalog.instances(&key("a")).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_instances_of_connections_survive_a_planned_stop() {
    let running = Running::start();
    let catalog = &running.catalog;
    let id = catalog.connect(connection()).unwrap();
    let publisher = Publisher::Connection(id);
    catalog
        .register_ephemeral(&publisher, &key("a"), registration("10.0.0.1"))
        .unwrap();
    seconds(1).await;
    catalog.drain();
    catalog.connection_closed(id, ConnectionEnd::Closed);
    let running = again(running.stop().await.unwrap());
    let catalog = &running.catalog;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"]);
    let id = catalog.connect(connection()).unwrap();
    let publisher = Publisher::Connection(id);
    catalog
        .register_ephemeral(&publisher, &key("a"), registration("10.0.0.1"))
        .unwrap();
    seconds(60).await;
    assert_eq!(
        ips(catalog, "a"),
        ["10.0.0.1"],
        "its connection keeps it now"
    );
    catalog.connection_closed(id, ConnectionEnd::Closed);
    assert!(ips(catalog, "a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_not_in_the_next_run() {
    let running = Running::start();
    let catalog = &running.catalog;
    let id = catalog.connect(connection()).unwrap();
    let publisher = Publisher::Connection(id);
    catalog
        .register_ephemeral(&publisher, &key("a"), registration("10.0.0.1"))
        .unwrap();
    seconds(1).await;
    catalog.connection_closed(id, ConnectionEnd::Closed);
    let running = again(running.stop().await.unwrap());
    assert!(ips(&running.catalog, "a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_without_a_roster_refuses_reads_for_one_term() {
    let store = Memory::default();
    let row = |table, key: &str, value: &str| {
        Change::Put(Row {
            table,
            key: key.to_owned(),
            value: value.into(),
        })
    };
    store.commit(&[row(Table::Switch, "", "{}")]).unwrap();
    let running = again(store);
    let refused = running.catalog.query(&key("a"), &Selection::default());
    assert!(matches!(refused, Err(Error::Loading)), "{refused:?}");
    seconds(15).await;
    assert!(
        running
            .catalog
            .query(&key("a"), &Selection::default())
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_roster_that_is_not_readable_is_dropped_and_reads_wait() {
    let running = Running::start();
    let registered = registration("10.0.0.1");
    let catalog = &running.catalog;
    catalog
        .register_ephemeral(&registered.endpoint.publisher(), &key("a"), registered)
        .unwrap();
    let store = running.stop().await.unwrap();
    let damaged = Change::Put(Row {
        table: Table::Roster,
        key: "public\0DEFAULT_GROUP\0a".to_owned(),
        value: b"[{".to_vec(),
    });
    store.commit(&[damaged]).unwrap();
    let running = again(store);
    assert!(!running.catalog.is_complete());
    seconds(15).await;
    assert!(ips(&running.catalog, "a").is_empty());
}
