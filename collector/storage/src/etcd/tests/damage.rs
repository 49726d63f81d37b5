//! Keys that another program wrote, overwrote or deleted.

use rollcall_domain::inventory::Generation;

use super::*;
use crate::{Damage, fixtures::process};

const CHUNK: &str = "/rollcall/store/seen/0000000000";

/// The keys of the reported damage, and whether each is soft state.
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
fn keys_of_another_program_are_reported_and_ignored() {
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
    assert_eq!(
        commit(&mut one, &[application(2, "stock")]),
        Commit::Conflict
    );
}

#[test]
fn an_unreadable_chunk_is_skipped_and_rewritten() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let (early, late) = (
        seen(1, 1_000, Signal::Register, false),
        seen(2, 2_000, Signal::Heartbeat, false),
    );
    report(&mut one, early);
    reread(&mut other);
    server.put(CHUNK, b"x");
    assert_eq!(damage(&reread(&mut one)), [(CHUNK, true)]);
    assert_eq!(reread(&mut one), [], "it is reported once");
    // A collector that starts reads nothing from the chunk until another one has rewritten it.
    let (_, records) = loaded(&server);
    assert_eq!(damage(&records), [(CHUNK, true)]);
    report(&mut one, late);
    let mut expected = Contents::new();
    apply(&mut expected, &[], &[early, late]);
    assert_eq!(contents(&mut server.open()), expected);
    assert_eq!(damage(&reread(&mut other)), []);
}

#[test]
fn a_deleted_chunk_is_rewritten() {
    for reads in [true, false] {
        let server = Server::start();
        let [mut one, _] = two(&server);
        let early = seen(1, 1_000, Signal::Register, false);
        report(&mut one, early);
        server.delete(CHUNK);
        if reads {
            assert_eq!(damage(&reread(&mut one)), [(CHUNK, true)]);
        }
        let late = seen(2, 2_000, Signal::Heartbeat, false);
        report(&mut one, late);
        let mut expected = Contents::new();
        apply(&mut expected, &[], &[early, late]);
        assert_eq!(contents(&mut server.open()), expected);
    }
}

#[test]
fn an_instance_whose_changed_state_is_unreadable_has_the_state_of_the_log() {
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
fn a_collector_that_knows_an_entry_reports_its_loss_or_overwriting() {
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
    // The collector continues with its inventory in memory.
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
fn a_store_without_its_log_is_not_an_empty_store() {
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
