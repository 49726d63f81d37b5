//! The contract of every provider, and the sharing of a store, on a real etcd.

mod damage;
mod server;
mod snapshot;
mod upgrade;

use rollcall_domain::liveness::Signal;
use rollcall_domain::properties;
use rollcall_etcd::proto::TxnRequest;

use super::*;
use crate::{
    LastSeen,
    contract::{Contents, Provider, application, apply, contents, contract, instance, seen},
};
use server::Server;

impl Provider for Server {
    type Storage = Etcd;

    fn open(&self) -> Etcd {
        Etcd::open(self.remote(), Clock::start(), "").unwrap()
    }
}

contract!(Server::start());

/// Two collectors that have loaded the store.
fn two(server: &Server) -> [Etcd; 2] {
    [(); 2].map(|()| {
        let mut storage = server.open();
        storage.load(&mut |_| ()).unwrap();
        storage
    })
}

fn commit(storage: &mut Etcd, rows: &[Row]) -> Commit {
    storage
        .commit(Batch {
            rows,
            seen: &[],
            digest: None,
        })
        .unwrap()
}

fn report(storage: &mut Etcd, seen: LastSeen) {
    let batch = Batch {
        rows: &[],
        seen: &[seen],
        digest: None,
    };
    assert_eq!(storage.commit(batch).unwrap(), Commit::Durable);
}

/// Catches up by reading, as after a watch that broke.
fn reread(storage: &mut Etcd) -> Vec<Record> {
    storage.news.mark_incomplete();
    caught_up(storage)
}

fn caught_up(storage: &mut Etcd) -> Vec<Record> {
    let mut news = Vec::new();
    storage.catch_up(&mut |record| news.push(record)).unwrap();
    news
}

#[test]
fn a_collector_that_has_not_read_the_others_writes_conflicts() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let (orders, stock) = ([application(-1, "orders")], [application(-1, "stock")]);
    assert_eq!(commit(&mut one, &orders), Commit::Durable);
    assert_eq!(commit(&mut other, &stock), Commit::Conflict);
    assert_eq!(commit(&mut other, &stock), Commit::Conflict, "still");
    assert_eq!(caught_up(&mut other), orders.map(Record::Row));
    assert_eq!(
        commit(&mut other, &[application(2, "stock")]),
        Commit::Durable
    );
    assert_eq!(commit(&mut one, &[application(2, "pay")]), Commit::Conflict);
    assert_eq!(caught_up(&mut one).len(), 1);
    assert_eq!(contents(&mut server.open()).len(), 2);
}

#[test]
fn of_two_reports_about_an_instance_the_later_signal_wins() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let early = seen(1, 1_000, Signal::Register, false);
    let late = seen(1, 2_000, Signal::Heartbeat, false);
    let down = seen(1, 2_000, Signal::Heartbeat, true);
    let neighbour = seen(2, 1_500, Signal::Heartbeat, false);
    report(&mut one, late);
    report(&mut other, early);
    report(&mut other, neighbour);
    assert_eq!(caught_up(&mut other), [Record::LastSeen(late)]);
    report(&mut other, down);
    report(&mut one, late);
    let mut expected = Contents::new();
    apply(&mut expected, &[], &[down, neighbour]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn a_batch_too_large_for_one_entry_is_several() {
    let server = Server::start();
    let mut storage = server.open();
    let long = "x".repeat(100_000);
    let rows: Vec<Row> = (1..=20)
        .map(|id| instance(id, &format!("{id}{long}")))
        .collect();
    assert_eq!(commit(&mut storage, &rows), Commit::Durable);
    let mut expected = Contents::new();
    apply(&mut expected, &rows, &[]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn the_largest_rows_fit_into_a_request_of_an_etcd_with_defaults() {
    let server = Server::start();
    let mut storage = server.open();
    storage.load(&mut |_| ()).unwrap();
    // The most properties that are ever kept, whatever the configuration.
    let text = "x".repeat(64);
    let pairs = vec![(&*text, &*text); 2048];
    let row = |id| {
        let Row::Instance(row) = instance(id, &"x".repeat(MAX_NAME_BYTES)) else {
            unreachable!("it is an instance")
        };
        Row::Instance(Instance {
            properties: properties::reported(pairs.iter().copied(), None),
            ..row
        })
    };
    let rows = [row(1), row(2), application(-1, "orders"), row(3)];
    assert_eq!(commit(&mut storage, &rows), Commit::Durable);
    let mut expected = Contents::new();
    apply(&mut expected, &rows, &[]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn a_request_that_is_too_large_is_not_reported_as_an_outage() {
    let server = Server::start();
    // Above the limit of etcd, and above that of its transport.
    for bytes in [1_700_000, 4_000_000] {
        let put = rollcall_etcd::request::put("/rollcall/store/large", vec![0; bytes]);
        let error = server.remote().transaction(TxnRequest {
            success: vec![put],
            ..TxnRequest::default()
        });
        let error = error.unwrap_err();
        assert!(error.is_invalid() && !error.is_transient(), "{error}");
    }
}

#[test]
fn an_etcd_that_was_rolled_back_is_detected_and_not_written_to() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    assert_eq!(
        commit(&mut one, &[application(-1, "orders")]),
        Commit::Durable
    );
    catch_up_after_a_conflict(&mut other);
    assert_eq!(
        commit(&mut one, &[application(2, "stock")]),
        Commit::Durable
    );
    server.delete("/rollcall/store/log/00000000000000000002");
    assert_eq!(
        commit(&mut other, &[application(2, "pay")]),
        Commit::Durable
    );
    assert_eq!(
        commit(&mut one, &[application(-2, "cart")]),
        Commit::Conflict
    );
    let error = one.catch_up(&mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    let error = one.commit(Batch::default()).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
}

#[test]
fn another_history_with_the_same_revisions_is_detected() {
    let mut server = Server::start();
    let before = server.save();
    let [mut one, _] = two(&server);
    assert_eq!(
        commit(&mut one, &[application(-1, "orders")]),
        Commit::Durable
    );
    server.roll_back(before);
    let [mut other, _] = two(&server);
    assert_eq!(
        commit(&mut other, &[application(-1, "stock")]),
        Commit::Durable
    );
    one.news.mark_incomplete();
    let error = one.catch_up(&mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[test]
fn last_seen_times_that_were_rolled_back_are_detected() {
    for reads in [true, false] {
        let mut server = Server::start();
        let before = server.save();
        let [mut one, _] = two(&server);
        report(&mut one, seen(1, 1_000, Signal::Register, false));
        let in_between = server.save();
        report(&mut one, seen(1, 2_000, Signal::Heartbeat, false));
        server.roll_back(if reads { before } else { in_between });
        one.news.mark_incomplete();
        let error = if reads {
            one.catch_up(&mut |_| ()).unwrap_err()
        } else {
            let late = [seen(1, 3_000, Signal::Heartbeat, false)];
            let batch = Batch {
                seen: &late,
                ..Batch::default()
            };
            one.commit(batch).unwrap_err()
        };
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    }
}

#[test]
fn durable_rows_of_a_failed_batch_are_read_again() {
    // Enough for a row, but not for a chunk.
    let server = Server::start_with(&["--max-request-bytes", "2048"]);
    let [mut one, mut other] = two(&server);
    let rows = [application(-1, "orders")];
    let signals: Vec<LastSeen> = (1..=200)
        .map(|id| seen(id, 1_000, Signal::Register, false))
        .collect();
    let batch = Batch {
        rows: &rows,
        seen: &signals,
        digest: None,
    };
    let error = one.commit(batch).unwrap_err();
    assert!(error.is_invalid(), "{error}");
    assert_eq!(caught_up(&mut one), rows.clone().map(Record::Row));
    assert_eq!(
        commit(&mut one, &[application(2, "stock")]),
        Commit::Durable
    );
    assert_eq!(commit(&mut other, &rows), Commit::Conflict);
    assert_eq!(caught_up(&mut other).len(), 2);
}

/// No watch runs in these tests, so only a conflict makes the store read.
fn catch_up_after_a_conflict(storage: &mut Etcd) {
    assert_eq!(
        commit(storage, &[application(-1, "lost")]),
        Commit::Conflict
    );
    caught_up(storage);
}

#[test]
fn a_damaged_entry_is_reported() {
    let server = Server::start();
    let mut storage = server.open();
    assert_eq!(
        commit(&mut storage, &[application(-1, "orders")]),
        Commit::Durable
    );
    server.put("/rollcall/store/log/00000000000000000001", b"garbage");
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(
        error.to_string().contains("log/00000000000000000001"),
        "{error}"
    );
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[test]
fn a_store_records_its_namespace_and_refuses_another() {
    let server = Server::start();
    let open = |namespace| Etcd::open(server.remote(), Clock::start(), namespace);
    open("production").unwrap();
    open("production").unwrap();
    let error = open("staging").unwrap_err().to_string();
    assert!(
        error.contains("/rollcall/store/ holds the inventory of namespace production")
            && error.contains("belongs to namespace staging"),
        "{error}"
    );
}

#[test]
fn an_unavailable_etcd_is_reported_and_the_result_of_the_commit_is_read_later() {
    let server = Server::start();
    let [mut one, _] = two(&server);
    server.pause();
    let rows = [application(-1, "orders")];
    let batch = Batch {
        rows: &rows,
        seen: &[],
        digest: None,
    };
    let error = one.commit(batch).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    server.resume();
    // The commit was applied in full or not at all, and catching up shows which.
    let known = caught_up(&mut one);
    assert!(
        known.is_empty() || known == rows.clone().map(Record::Row),
        "{known:?}"
    );
    if known.is_empty() {
        assert_eq!(commit(&mut one, &rows), Commit::Durable);
    }
    assert_eq!(contents(&mut server.open()).len(), 1);
}
