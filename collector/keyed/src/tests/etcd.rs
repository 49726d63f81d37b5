//! A store in etcd, on a real server or on one that answers as a test requires.

use std::time::Duration;

use rollcall_etcd::{
    proto::TxnRequest,
    request::put as put_key,
    testing::{PATIENCE, Process, Server},
};
use tokio::{
    runtime::Runtime,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    super::etcd::{Etcd, PAUSE, Remote},
    *,
};
use crate::Error;

fn open(server: &Process) -> Etcd<Fruit> {
    let runtime = server.runtime().handle().clone();
    Etcd::open(server.client(), runtime, "basket").unwrap()
}

/// Two processes that have read the store.
fn two(server: &Process) -> [Etcd<Fruit>; 2] {
    [(); 2].map(|()| {
        let store = open(server);
        store.load().unwrap();
        store
    })
}

/// Writes a key as another program does.
fn write(server: &Process, key: &str, value: &str) {
    let client = server.client();
    let write = client.transaction(TxnRequest {
        success: vec![put_key(key, value.into())],
        ..TxnRequest::default()
    });
    assert!(server.runtime().block_on(write).unwrap().succeeded);
}

#[test]
fn etcd_keeps_the_contract() {
    let server = Process::start();
    keeps_rows(&|| Box::new(open(&server)));
}

#[test]
fn a_process_reads_what_another_one_changed_once() {
    let server = Process::start();
    let [one, other] = two(&server);
    let both = [put(Fruit::Apple, "a", "1"), put(Fruit::Pear, "a", "1")];
    one.commit(&both).unwrap();
    assert_eq!(other.catch_up().unwrap(), both);
    // The number of rows is the same afterwards.
    let changes = [put(Fruit::Plum, "b", "2"), remove(Fruit::Apple, "a")];
    one.commit(&changes).unwrap();
    let [added, removed] = changes;
    assert_eq!(other.catch_up().unwrap(), [removed, added]);
    assert!(other.catch_up().unwrap().is_empty());
    assert!(one.catch_up().unwrap().is_empty(), "its own changes");
    assert_eq!(rows(&one), rows(&other));
}

#[test]
fn a_change_of_a_row_that_another_process_changed_first_conflicts_and_changes_nothing() {
    let server = Process::start();
    let [one, other] = two(&server);
    one.commit(&[put(Fruit::Apple, "a", "1")]).unwrap();
    let late = [put(Fruit::Apple, "a", "2"), put(Fruit::Pear, "p", "2")];
    assert!(matches!(other.commit(&late), Err(Error::Conflict)));
    assert_eq!(other.catch_up().unwrap().len(), 1);
    other.commit(&late).unwrap();
    // A late removal conflicts too; a change of another row does not.
    assert!(matches!(
        one.commit(&[remove(Fruit::Apple, "a")]),
        Err(Error::Conflict)
    ));
    one.commit(&[put(Fruit::Plum, "x", "1")]).unwrap();
    one.catch_up().unwrap();
    one.commit(&[remove(Fruit::Apple, "a")]).unwrap();
    let last = [put(Fruit::Plum, "x", "1"), remove(Fruit::Apple, "a")];
    let mut news = other.catch_up().unwrap();
    news.reverse();
    assert_eq!(news, last);
}

#[test]
fn many_and_large_changes_are_written_and_read_in_parts() {
    let server = Process::start();
    let [one, other] = two(&server);
    let value = "v".repeat(8 * 1024);
    let changes: Vec<_> = (0..2500)
        .map(|n| put(Fruit::Apple, &format!("{n:05}"), &value))
        .collect();
    one.commit(&changes).unwrap();
    assert_eq!(other.catch_up().unwrap(), changes);
    assert_eq!(open(&server).load().unwrap().len(), 2500);
    let removed: Vec<_> = (0..2500)
        .map(|n| remove(Fruit::Apple, &format!("{n:05}")))
        .collect();
    one.commit(&removed).unwrap();
    assert_eq!(other.catch_up().unwrap().len(), 2500);
    assert!(rows(&other).is_empty());
}

#[test]
fn a_change_of_another_process_is_announced_and_an_own_one_is_not() {
    let server = Process::start();
    let [one, other] = two(&server);
    let is_announced = |store: &Etcd<Fruit>, within| {
        server
            .runtime()
            .block_on(async { timeout(within, store.changed()).await.is_ok() })
    };
    assert!(
        is_announced(&other, PATIENCE),
        "rows may have changed before"
    );
    one.commit(&[put(Fruit::Apple, "a", "1")]).unwrap();
    assert!(is_announced(&other, PATIENCE));
    assert_eq!(other.catch_up().unwrap().len(), 1);
    other.commit(&[put(Fruit::Apple, "a", "2")]).unwrap();
    assert!(!is_announced(&other, Duration::from_millis(300)));
    one.catch_up().unwrap();
    one.commit(&[remove(Fruit::Apple, "a")]).unwrap();
    assert!(is_announced(&other, PATIENCE));
}

#[test]
fn a_watch_that_is_cancelled_again_and_again_is_opened_after_a_pause() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let mut server = Server::start().await;
        let remote = Remote {
            client: server.client(),
            runtime: runtime.handle().clone(),
        };
        let store = Etcd::<Fruit>::at("/rollcall/basket", remote);
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            loop {
                store.changed().await;
            }
        });
        server.admits("token").await;
        let mut watching = server.watches().await;
        for _ in 0..2 {
            watching.created(1);
            let cancelled = Instant::now();
            watching.cancelled("etcdserver: no leader");
            watching = server.watches().await;
            assert!(cancelled.elapsed() >= PAUSE, "{:?}", cancelled.elapsed());
        }
    });
}

#[test]
fn what_a_failed_commit_wrote_is_read_afterwards() {
    let server = Process::start();
    let [one, _] = two(&server);
    server.pause();
    let change = [put(Fruit::Apple, "a", "1")];
    assert!(matches!(one.commit(&change), Err(Error::Io(_))));
    assert!(one.catch_up().is_err());
    server.resume();
    // The paused server may still execute the transaction.
    let mut found = Vec::new();
    while one.catch_up().map(|news| found.extend(news)).is_err() {}
    let stored = rows(&open(&server)).len();
    found.extend(one.catch_up().unwrap());
    assert_eq!(found.len(), stored);
}

#[test]
fn an_etcd_that_was_rolled_back_is_read_again() {
    let mut server = Process::start();
    let [one, other] = two(&server);
    one.commit(&[put(Fruit::Apple, "a", "1")]).unwrap();
    other.catch_up().unwrap();
    let saved = server.save();
    let later = [put(Fruit::Apple, "a", "2"), put(Fruit::Apple, "b", "2")];
    while one.commit(&later).is_err() {}
    other.catch_up().unwrap();
    server.roll_back(saved);
    let mut news = other.catch_up();
    while news.is_err() {
        news = other.catch_up();
    }
    let restored = [remove(Fruit::Apple, "b"), put(Fruit::Apple, "a", "1")];
    assert_eq!(news.unwrap(), restored);
}

#[test]
fn rows_of_a_later_table_are_ignored_and_a_later_format_is_refused() {
    let server = Process::start();
    let [one, _] = two(&server);
    write(&server, "/rollcall/basket/rows/grape/a", "1");
    assert!(one.catch_up().unwrap().is_empty());
    assert!(rows(&open(&server)).is_empty());
    write(&server, "/rollcall/basket/reader", "2");
    let runtime = server.runtime().handle().clone();
    let opened = Etcd::<Fruit>::open(server.client(), runtime, "basket");
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("/rollcall/basket/reader"), "{error}");
    assert!(error.contains("later release"), "{error}");
}
