//! Keys that something else wrote, overwrote or deleted.

use rollcall_domain::inventory::Generation;

use super::*;
use crate::{Damage, fixtures::process};

const CHUNK: &str = "/rollcall/store/seen/0000000000";

/// The keys of the damage that was reported, with whether a collector can do without them.
fn damage(records: &[Record]) -> Vec<(&str, bool)> {
    let damaged = records.iter().filter_map(|record| match record {
        Record::Damage(Damage::Soft { key, .. }) => Some((&**key, true)),
        Record::Damage(Damage::Hard { key, .. }) => Some((&**key, false)),
        _ => None,
    });
    damaged.collect()
}

fn entry(index: u64) -> String {
    format!("/rollcall/store/log/{index:020}")
}

fn loaded(server: &Server) -> (Etcd, Vec<Record>) {
    let (mut storage, mut records) = (server.open(), Vec::new());
    storage.load(&mut |record| records.push(record)).unwrap();
    (storage, records)
}

#[test]
fn keys_that_something_else_wrote_are_reported_and_ignored() {
    let server = Server::start();
    let [mut one, _] = two(&server);
    let rows = [process(1, "5a3c", Generation::V8, "1")];
    assert_eq!(commit(&mut one, &rows), Commit::Durable);
    let foreign = [
        "changed/garbage",
        "log/garbage",
        "log/7",
        "seen/garbage",
        "seen/7",
    ]
    .map(|name| format!("/rollcall/store/{name}"));
    for _ in 0..2 {
        foreign.iter().for_each(|key| server.put(key, b"x"));
    }
    let reported = reread(&mut one);
    for key in &foreign {
        assert!(
            damage(&reported).contains(&(key, true)) || key.contains("changed"),
            "{key}: {reported:?}"
        );
    }
    let (mut storage, records) = loaded(&server);
    assert_eq!(damage(&records).len(), foreign.len(), "{records:?}");
    assert_eq!(
        commit(&mut storage, &[application(2, "stock")]),
        Commit::Durable
    );
    assert_eq!(commit(&mut one, &[application(2, "stock")]), Commit::Behind);
}

#[test]
fn a_chunk_that_cannot_be_read_is_skipped_and_written_anew() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let (early, late) = (
        seen(1, 1_000, Signal::Register, false),
        seen(2, 2_000, Signal::Heartbeat, false),
    );
    note(&mut one, early);
    reread(&mut other);
    server.put(CHUNK, b"x");
    assert_eq!(damage(&reread(&mut one)), [(CHUNK, true)]);
    assert_eq!(reread(&mut one), [], "it is reported once");
    // One that starts has nothing of it, until it is written anew from what another one knows.
    let (_, records) = loaded(&server);
    assert_eq!(damage(&records), [(CHUNK, true)]);
    note(&mut one, late);
    let mut expected = Contents::new();
    apply(&mut expected, &[], &[early, late]);
    assert_eq!(contents(&mut server.open()), expected);
    assert_eq!(damage(&reread(&mut other)), []);
}

#[test]
fn a_chunk_that_was_deleted_is_written_anew() {
    for asks in [true, false] {
        let server = Server::start();
        let [mut one, _] = two(&server);
        let early = seen(1, 1_000, Signal::Register, false);
        note(&mut one, early);
        server.delete(CHUNK);
        if asks {
            assert_eq!(damage(&reread(&mut one)), [(CHUNK, true)]);
        }
        let late = seen(2, 2_000, Signal::Heartbeat, false);
        note(&mut one, late);
        let mut expected = Contents::new();
        apply(&mut expected, &[], &[early, late]);
        assert_eq!(contents(&mut server.open()), expected);
    }
}

#[test]
fn a_changed_instance_that_cannot_be_read_is_what_the_log_says() {
    let server = Server::start();
    let [mut one, _] = two(&server);
    let rows = ["1", "2"].map(|number| [process(1, "5a3c", Generation::V8, number)]);
    for row in &rows {
        assert_eq!(commit(&mut one, row), Commit::Durable);
    }
    let key = server.keys("changed/").pop().unwrap();
    server.put(&key, b"x");
    assert_eq!(damage(&reread(&mut one)), [(&*key, true)]);
    assert_eq!(server.get(&key), None);
    let mut expected = Contents::new();
    apply(&mut expected, &rows[0], &[]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn an_entry_that_vanishes_or_is_overwritten_is_noticed_by_those_who_know_it() {
    let server = Server::start();
    let [mut one, _] = two(&server);
    for id in 2..=5 {
        assert_eq!(
            commit(&mut one, &[application(id, &id.to_string())]),
            Commit::Durable
        );
    }
    assert_eq!(reread(&mut one), []);
    let value = server.get(&entry(2)).unwrap();
    server.delete(&entry(2));
    assert_eq!(damage(&reread(&mut one)), [(&*entry(2), false)]);
    // It goes on with what it holds.
    assert_eq!(commit(&mut one, &[application(6, "6")]), Commit::Durable);
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable { key, .. } if *key == entry(2)),
        "{error}"
    );
    server.put(&entry(2), &value);
    assert_eq!(reread(&mut one), [Record::Damage(Damage::Repaired)]);
    server.put(&entry(3), b"x");
    assert_eq!(damage(&reread(&mut one)), [(&*entry(3), false)]);
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable { key, .. } if *key == entry(3)),
        "{error}"
    );
}

#[test]
fn a_log_that_vanished_is_no_empty_store() {
    let server = Server::start();
    let mut one = server.open();
    one.extent = Extent { kept: 2, part: 4 };
    one.load(&mut |_| ()).unwrap();
    for id in 2..=30 {
        assert_eq!(
            commit(&mut one, &[application(id, &id.to_string())]),
            Commit::Durable
        );
    }
    let part = server.keys("snapshot/").remove(0);
    let value = server.get(&part).unwrap();
    server.delete(&part);
    assert_eq!(damage(&reread(&mut one)), [(&*part, false)]);
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable { key, .. } if *key == entry(2)),
        "{error}"
    );
    server.put(&part, &value);
    for key in server.keys("log/").into_iter().skip(1) {
        server.delete(&key);
    }
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(matches!(&error, Error::Unreadable { .. }), "{error}");
    server.delete(&entry(1));
    let error = server.open().load(&mut |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable { key, .. } if *key == entry(1)),
        "{error}"
    );
}
