//! The snapshot keeps the store small, and no collector loses data that it has read.

use rollcall_domain::inventory::Generation;

use super::*;
use crate::fixtures::process;

const EXTENT: Extent = Extent { kept: 2, part: 4 };

/// A loaded store that shortens its log early.
fn open(server: &Server) -> Etcd {
    let mut storage = server.open();
    storage.extent = EXTENT;
    storage.load(&mut |_| ()).unwrap();
    storage
}

/// Commits applications, each in an entry of its own, and returns them.
fn fill(storage: &mut Etcd, ids: std::ops::RangeInclusive<i32>) -> Vec<Row> {
    let rows: Vec<Row> = ids.map(|id| application(id, &id.to_string())).collect();
    for row in &rows {
        assert_eq!(commit(storage, std::slice::from_ref(row)), Commit::Durable);
    }
    rows
}

fn expected(rows: &[Row]) -> Contents {
    let mut contents = Contents::new();
    apply(&mut contents, rows, &[]);
    contents
}

#[test]
fn a_changed_instance_is_one_key_however_often_it_changes() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let states: Vec<Row> = (0..50)
        .map(|number| process(1, "5a3c", Generation::V8, &number.to_string()))
        .collect();
    for state in &states {
        assert_eq!(
            commit(&mut one, std::slice::from_ref(state)),
            Commit::Durable
        );
    }
    assert_eq!(server.keys("log/").len(), 1);
    assert_eq!(server.keys("changed/").len(), 1);
    let (Row::Instance(first), Row::Instance(last)) = (&states[0], &states[49]) else {
        unreachable!("they are instances")
    };
    assert_eq!(
        reread(&mut other),
        [
            Record::Row(Row::Instance(first.clone())),
            Record::Changed(last.clone())
        ]
    );
    assert_eq!(reread(&mut other), [], "no record is read twice");
    // The agent moves to the other member.
    let moved = process(1, "5a3c", Generation::V8, "moved");
    assert_eq!(
        commit(&mut other, std::slice::from_ref(&moved)),
        Commit::Durable
    );
    assert_eq!(contents(&mut server.open()), expected(&[moved]));
}

#[test]
fn an_application_that_becomes_known_and_properties_that_change_are_both_kept() {
    let server = Server::start();
    let [mut one, mut other] = two(&server);
    let Row::Instance(known) = process(70, "5a3c", Generation::V8, "1") else {
        unreachable!("it is an instance")
    };
    let adopted = |application, number: &str| {
        let mut row = known.clone();
        row.application = application;
        row.uuid = None;
        row.adopted = true;
        row.properties = [("process_no", number)].into_iter().collect();
        Row::Instance(row)
    };
    let states = [
        adopted(None, "1"),
        adopted(None, "2"),
        adopted(known.application, "3"),
        adopted(known.application, "4"),
    ];
    for state in &states {
        assert_eq!(
            commit(&mut one, std::slice::from_ref(state)),
            Commit::Durable
        );
    }
    reread(&mut other);
    for mut storage in [server.open(), other] {
        assert_eq!(contents(&mut storage), expected(&states));
    }
}

#[test]
fn the_log_stays_short_and_no_row_of_it_is_lost() {
    let server = Server::start();
    let [mut stale, mut paused] = [open(&server), open(&server)];
    let mut one = open(&server);
    let mut rows = fill(&mut one, 2..=10);
    assert_eq!(reread(&mut stale).len(), 9);
    rows.extend(fill(&mut one, 11..=60));
    let length = usize::try_from(EXTENT.kept).unwrap() + EXTENT.part + 1;
    assert!(
        server.keys("log/").len() <= length,
        "{:?}",
        server.keys("log/")
    );
    assert!(!server.keys("snapshot/").is_empty());
    // A collector whose last known entry is in the snapshot by now continues after it.
    let known = reread(&mut stale);
    assert_eq!(known.last(), Some(&Record::Row(rows[58].clone())));
    assert_eq!(
        commit(&mut stale, &[application(61, "61")]),
        Commit::Durable
    );
    rows.push(application(61, "61"));
    // A collector that has read only the empty store conflicts until it has read the rows.
    assert_eq!(
        commit(&mut paused, &[application(2, "paused")]),
        Commit::Conflict
    );
    assert_eq!(caught_up(&mut paused).len(), rows.len());
    assert_eq!(
        commit(&mut paused, &[application(62, "62")]),
        Commit::Durable
    );
    rows.push(application(62, "62"));
    assert_eq!(contents(&mut open(&server)), expected(&rows));
}

#[test]
fn a_digest_that_the_snapshot_ends_with_is_kept() {
    let server = Server::start();
    let mut stale = open(&server);
    let mut one = open(&server);
    for id in 2..=40 {
        let batch = Batch {
            rows: &[application(id, &id.to_string())],
            seen: &[],
            digest: u64::try_from(id).ok(),
        };
        assert_eq!(one.commit(batch).unwrap(), Commit::Durable);
    }
    let known = reread(&mut stale);
    assert_eq!(known.last(), Some(&Record::Digest(40)));
    let digests = known.iter().filter(|it| matches!(it, Record::Digest(_)));
    let parts = server.keys("snapshot/").len();
    assert_eq!(digests.count(), parts + server.keys("log/").len());
}

#[test]
fn two_collectors_shorten_the_log_at_once() {
    let server = Server::start();
    let mut rows = fill(&mut two(&server)[0], 2..=40);
    let [mut one, mut other] = [open(&server), open(&server)];
    for id in 41..=60 {
        let (writer, reader) = match id % 2 {
            0 => (&mut one, &mut other),
            _ => (&mut other, &mut one),
        };
        rows.extend(fill(writer, id..=id));
        assert_eq!(
            reread(reader),
            [Record::Row(application(id, &id.to_string()))]
        );
    }
    assert_eq!(contents(&mut open(&server)), expected(&rows));
    let length = usize::try_from(EXTENT.kept).unwrap() + EXTENT.part + 1;
    assert!(
        server.keys("log/").len() <= length + 4,
        "{:?}",
        server.keys("log/")
    );
}

#[test]
fn the_snapshot_drops_the_repeated_rows_of_version_1() {
    let server = Server::start();
    let Row::Instance(first) = process(1, "5a3c", Generation::V8, "first") else {
        unreachable!("it is an instance")
    };
    let long = "x".repeat(50_000);
    for index in 1..=100_u64 {
        let mut row = first.clone();
        row.properties = [("index", format!("{index}{long}"))].into_iter().collect();
        let mut message = Vec::new();
        crate::codec::row::put(&mut message, 2, &row);
        rollcall_protobuf::put_varint(&mut message, 6, index);
        let key = format!("/rollcall/store/log/{index:020}");
        server.put(&key, &value::seal(&key, &message));
    }
    let mut storage = open(&server);
    let before = contents(&mut storage);
    for id in 2..=60 {
        fill(&mut storage, id..=id);
    }
    let mut after = contents(&mut open(&server));
    after.retain(|(kind, _), _| *kind == 1);
    assert_eq!(after, before);
    let parts = server.keys("snapshot/");
    let bytes: usize = parts.iter().map(|key| server.get(key).unwrap().len()).sum();
    assert!(bytes < 40 * 51_000, "{bytes} in {} parts", parts.len());
}

#[test]
fn a_rollback_of_etcd_is_detected_although_the_log_was_shortened() {
    for is_shortened_again in [false, true] {
        let mut server = Server::start();
        let [mut one, mut other] = [open(&server), open(&server)];
        fill(&mut one, 2..=20);
        let before = server.save();
        fill(&mut one, 21..=24);
        reread(&mut other);
        server.roll_back(before);
        let mut third = open(&server);
        fill(&mut third, 200..=if is_shortened_again { 230 } else { 201 });
        for storage in [&mut one, &mut other] {
            storage.news.mark_incomplete();
            let error = storage.catch_up(&mut |_| ()).unwrap_err();
            assert!(matches!(error, Error::Unreadable { .. }), "{error}");
            let error = storage.commit(Batch::default()).unwrap_err();
            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        }
    }
}
