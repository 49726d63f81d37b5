//! Stores of other releases, and members of other releases on one store.

use rollcall_domain::inventory::{Generation, SpanType};
use rollcall_protobuf as protobuf;

use super::*;
use crate::{
    contract::operation,
    fixtures::{self, process},
    version::VERSION,
};

const FORMAT: &str = "/rollcall/store/format";
const READER: &str = "/rollcall/store/reader";

/// A store of version 1.
fn v1() -> Server {
    let server = Server::start();
    for (key, value) in fixtures::etcd_v1() {
        server.put(key, &value);
    }
    server
}

/// Appends an entry as a member of another release does that has applied the log up to that entry.
fn append(server: &Server, index: u64, message: &[u8]) {
    let key = format!("/rollcall/store/log/{index:020}");
    let value = value::seal(&key, message);
    server.put(&key, &value);
}

#[test]
fn a_store_of_version_1_is_read_and_upgraded() {
    let server = v1();
    let mut opened = server.open();
    assert_eq!(contents(&mut opened), fixtures::v1());
    let current = VERSION.to_string();
    for key in [FORMAT, READER] {
        assert_eq!(server.get(key).unwrap(), current.as_bytes(), "{key}");
    }
    let rows = [application(3, "stock")];
    assert_eq!(commit(&mut opened, &rows), Commit::Durable);
    let mut expected = fixtures::v1();
    apply(&mut expected, &rows, &[]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn entries_of_a_member_of_version_1_are_read_after_the_store_was_upgraded() {
    let server = v1();
    let mut opened = server.open();
    opened.load(&mut |_| ()).unwrap();
    let changed = process(1, "5a3c", Generation::V5, "4713");
    let Row::Instance(row) = &changed else {
        unreachable!("it is an instance")
    };
    let mut message = Vec::new();
    crate::codec::row::put(&mut message, 2, row);
    append(&server, 5, &message);
    opened.news.mark_incomplete();
    assert_eq!(caught_up(&mut opened)[0], Record::Row(changed));
}

#[test]
fn a_newer_store_is_opened_if_its_reader_is_not_newer() {
    let server = Server::start();
    let newer = (VERSION + 1).to_string();
    server.put(FORMAT, newer.as_bytes());
    server.put(READER, VERSION.to_string().as_bytes());
    drop(server.open());
    assert_eq!(
        server.get(FORMAT).unwrap(),
        newer.as_bytes(),
        "the versions are not lowered"
    );
    server.put(READER, newer.as_bytes());
    let error = Etcd::open(server.remote(), Clock::start(), "").unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedVersion { found, .. } if found == VERSION + 1),
        "{error}"
    );
}

#[test]
fn a_member_too_old_for_the_upgraded_store_stops_with_the_reason() {
    let server = Server::start();
    let mut opened = server.open();
    opened.load(&mut |_| ()).unwrap();
    server.put(READER, (VERSION + 1).to_string().as_bytes());
    opened.news.mark_incomplete();
    let error = opened.catch_up(&mut |_| ()).unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedVersion { found, .. } if found == VERSION + 1),
        "{error}"
    );
    let error = opened.commit(Batch::default()).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
}

#[test]
fn entries_of_a_newer_member_are_kept_and_written_back() {
    let server = Server::start();
    let mut opened = server.open();
    assert_eq!(
        commit(&mut opened, &[application(-1, "orders")]),
        Commit::Durable
    );
    let newer = [
        process(1, "5a3c", Generation::from_number(9).unwrap(), "1"),
        operation(2, Some((-1, SpanType::from_number(200), "queue"))),
    ];
    let [Row::Instance(row), Row::Operation(named)] = &newer else {
        unreachable!("an instance and an operation")
    };
    let mut message = Vec::new();
    crate::codec::row::put(&mut message, 2, row);
    crate::codec::row::put(&mut message, 3, named);
    for total in 5..=7 {
        protobuf::put_varint(&mut message, total, 1);
    }
    // A kind of row and a property of the batch that this build does not know.
    protobuf::put_bytes(&mut message, 12, b"\x08\x01");
    protobuf::put_varint(&mut message, 13, 1);
    append(&server, 2, &message);
    opened.news.mark_incomplete();
    assert_eq!(caught_up(&mut opened), newer.clone().map(Record::Row));
    // The agent moves to this member, which rewrites its row.
    let moved = process(1, "5a3c", Generation::from_number(9).unwrap(), "2");
    assert_eq!(
        commit(&mut opened, std::slice::from_ref(&moved)),
        Commit::Durable
    );
    let mut expected = Contents::new();
    apply(&mut expected, &[application(-1, "orders")], &[]);
    apply(&mut expected, &newer, &[]);
    apply(&mut expected, &[moved], &[]);
    assert_eq!(contents(&mut server.open()), expected);
}

#[test]
fn a_signal_of_a_newer_member_survives_the_rewrite_of_its_chunk() {
    let server = Server::start();
    let [mut newer, mut opened] = two(&server);
    let unknown = seen(1, 1_000, Signal::from_code(40).unwrap(), false);
    let neighbour = seen(2, 1_000, Signal::Heartbeat, false);
    report(&mut newer, unknown);
    report(&mut opened, neighbour);
    let mut expected = Contents::new();
    apply(&mut expected, &[], &[unknown, neighbour]);
    assert_eq!(contents(&mut server.open()), expected);
}
