//! What every provider promises, one function per promise. [`contract!`] makes the tests of one provider of them.

use std::time::Duration;

use std::{collections::BTreeMap, sync::Arc};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId, Timestamp,
    inventory::{
        Address, Application, Generation, Instance, Operation, OperationKey, Row, SpanType,
    },
    liveness::{Signal, State},
};

use super::{Batch, Commit, Record, Seen, Storage};

/// Opens the one store of a test, again and again. What an earlier `open` gave has been dropped by then.
pub(super) trait Provider {
    type Storage: Storage;
    fn open(&self) -> Self::Storage;
}

/// Tests `$provider`, an expression that makes a [`Provider`] with an empty store.
macro_rules! contract {
    ($provider:expr) => {
        $crate::contract::contract!(
            $provider;
            an_empty_store_loads_nothing,
            every_kind_of_row_comes_back_whole,
            a_later_row_replaces_the_earlier_one,
            the_last_entry_of_an_id_within_a_batch_counts,
            ids_of_different_dictionaries_do_not_meet,
            seen_is_updated_and_kept_apart_from_rows,
            an_empty_batch_is_accepted,
            extreme_ids_and_texts_come_back,
            the_order_of_rows_does_not_matter,
            a_huge_batch_comes_back,
            any_sequence_of_batches_and_reopenings_agrees_with_a_map,
        );
    };
    ($provider:expr; $($promise:ident,)*) => {
        $(#[test]
        fn $promise() {
            $crate::contract::$promise(&$provider);
        })*
    };
}
pub(super) use contract;

/// The contents of a store, comparable.
pub(super) type Contents = BTreeMap<(u8, i32), Record>;

/// Everything that `storage` gives, no more than it counts.
pub(super) fn contents(storage: &mut impl Storage) -> Contents {
    let counts = storage.counts().unwrap();
    let mut contents = Contents::new();
    let mut given = [0; 5];
    storage
        .load(&mut |record| {
            if let Some((kind, id)) = key(&record) {
                let is_new = !matches!(record, Record::Changed(_));
                given[usize::from(kind)] += usize::from(is_new);
                let record = match record {
                    Record::Confirmed(seen) => Record::Seen(seen),
                    Record::Changed(row) => Record::Row(Row::Instance(row)),
                    record => record,
                };
                contents.insert((kind, id), record);
            }
        })
        .unwrap();
    let room = [
        counts.applications,
        counts.instances,
        counts.operations,
        counts.addresses,
        counts.seen,
    ];
    for (given, room) in given.into_iter().zip(room) {
        assert!(given <= room, "{given} given, {room} counted");
    }
    contents
}

/// What a batch does to the contents of a store.
pub(super) fn apply(contents: &mut Contents, rows: &[Row], seen: &[Seen]) {
    let rows = rows.iter().cloned().map(Record::Row);
    let records = rows.chain(seen.iter().copied().map(Record::Seen));
    contents.extend(records.filter_map(|record| Some((key(&record)?, record))));
}

fn key(record: &Record) -> Option<(u8, i32)> {
    Some(match record {
        Record::Row(Row::Application(row)) => (0, row.id.get()),
        Record::Row(Row::Instance(row)) => (1, row.id.get()),
        Record::Row(Row::Operation(row)) => (2, row.id.get()),
        Record::Row(Row::Address(row)) => (3, row.id.get()),
        Record::Seen(seen) | Record::Confirmed(seen) => (4, seen.instance.get()),
        Record::Changed(row) => (1, row.id.get()),
        Record::Digest(_) | Record::Damage(_) => return None,
    })
}

/// Opens the store as a collector does, which reads it before it writes.
fn begin<P: Provider>(provider: &P) -> P::Storage {
    let mut storage = provider.open();
    storage.load(&mut |_| ()).unwrap();
    storage
}

fn commit(storage: &mut impl Storage, rows: &[Row], seen: &[Seen]) {
    assert_eq!(
        storage
            .commit(Batch {
                rows,
                seen,
                digest: None,
            })
            .unwrap(),
        Commit::Durable
    );
}

fn expect(provider: &impl Provider, batches: &[(&[Row], &[Seen])]) {
    let mut expected = Contents::new();
    for (rows, seen) in batches {
        commit(&mut begin(provider), rows, seen);
        apply(&mut expected, rows, seen);
    }
    assert_eq!(contents(&mut provider.open()), expected);
}

pub(super) fn application(id: i32, code: &str) -> Row {
    Row::Application(Application {
        id: ApplicationId::new(id).unwrap(),
        code: Some(code.into()),
        registered_at: Timestamp::from_millis(1_500_000_000_000 + i64::from(id)),
        alias_of: None,
    })
}

pub(super) fn instance(id: i32, uuid: &str) -> Row {
    Row::Instance(Instance {
        id: InstanceId::new(id).unwrap(),
        application: ApplicationId::new(-1),
        uuid: Some(uuid.into()),
        registered_at: Timestamp::from_millis(1_500_000_000_000),
        generation: Some(Generation::V5),
        adopted: false,
        properties: [
            ("os_name", "Linux"),
            ("host_name", "orders-7f9c6d-2xk4q"),
            ("process_no", "4711"),
            ("ipv4", "10.0.0.1"),
            ("ipv4", "10.0.0.2"),
        ]
        .into_iter()
        .collect(),
    })
}

pub(super) fn operation(id: i32, key: Option<(i32, SpanType, &str)>) -> Row {
    Row::Operation(Operation {
        id: OperationId::new(id).unwrap(),
        key: key.map(|(application, span_type, name)| OperationKey {
            application: ApplicationId::new(application).unwrap(),
            span_type,
            name: name.into(),
        }),
    })
}

pub(super) fn address(id: i32, address: Option<&str>) -> Row {
    let id = AddressId::new(id).unwrap();
    let address = address.map(Into::into);
    Row::Address(Address { id, address })
}

pub(super) fn seen(instance: i32, millis: i64, signal: Signal, down: bool) -> Seen {
    let state = if down { State::Down } else { State::Up };
    Seen {
        instance: InstanceId::new(instance).unwrap(),
        last_seen: Timestamp::from_millis(millis),
        signal,
        state,
        usual: Duration::ZERO,
    }
}

/// What an agent used and never named.
fn adopted(id: i32) -> Vec<Row> {
    let registered_at = Timestamp::from_millis(-1);
    vec![
        Row::Application(Application {
            id: ApplicationId::new(id).unwrap(),
            code: None,
            registered_at,
            alias_of: None,
        }),
        Row::Instance(Instance {
            id: InstanceId::new(id).unwrap(),
            application: None,
            uuid: None,
            registered_at,
            generation: None,
            adopted: true,
            properties: Default::default(),
        }),
        operation(id, None),
        address(id, None),
    ]
}

pub(super) fn an_empty_store_loads_nothing(provider: &impl Provider) {
    assert_eq!(contents(&mut provider.open()), Contents::new());
    assert_eq!(contents(&mut provider.open()), Contents::new());
}

pub(super) fn every_kind_of_row_comes_back_whole(provider: &impl Provider) {
    let mut rows = adopted(7);
    rows.extend([
        application(-1, "orders"),
        instance(1, "5a3c"),
        operation(2, Some((-1, SpanType::Entry, "/orders"))),
        operation(-2, Some((-1, SpanType::Exit, "mysql"))),
        operation(3, Some((-1, SpanType::Local, "Job.run"))),
        address(-1, Some("10.0.0.1:3306")),
    ]);
    let every_signal = [
        seen(1, 1, Signal::Register, false),
        seen(2, 0, Signal::Recover, true),
        seen(3, -1, Signal::Heartbeat, false),
        seen(4, i64::MAX, Signal::JvmMetrics, true),
        seen(5, i64::MIN, Signal::TraceSegment, false),
    ];
    expect(provider, &[(&rows, &every_signal)]);
}

pub(super) fn a_later_row_replaces_the_earlier_one(provider: &impl Provider) {
    let told = [
        application(7, "orders"),
        instance(7, "5a3c"),
        operation(7, Some((7, SpanType::Exit, "mysql"))),
        address(7, Some("10.0.0.1:3306")),
    ];
    expect(provider, &[(&adopted(7), &[]), (&told, &[])]);
}

pub(super) fn the_last_entry_of_an_id_within_a_batch_counts(provider: &impl Provider) {
    let rows = [application(2, "first"), application(2, "second")];
    let twice = [
        seen(2, 1, Signal::Register, false),
        seen(2, 2, Signal::Heartbeat, true),
    ];
    expect(provider, &[(&rows, &twice)]);
}

pub(super) fn ids_of_different_dictionaries_do_not_meet(provider: &impl Provider) {
    expect(provider, &[(&adopted(5), &[]), (&adopted(-5), &[])]);
}

pub(super) fn seen_is_updated_and_kept_apart_from_rows(provider: &impl Provider) {
    let rows = [instance(1, "a"), instance(2, "b")];
    let first = [
        seen(1, 1, Signal::Register, false),
        seen(2, 1, Signal::Register, false),
    ];
    let second = [seen(2, 9, Signal::JvmMetrics, true)];
    expect(provider, &[(&rows, &first), (&[], &second)]);
}

pub(super) fn an_empty_batch_is_accepted(provider: &impl Provider) {
    let rows = [application(-1, "orders")];
    expect(provider, &[(&[], &[]), (&rows, &[]), (&[], &[])]);
}

pub(super) fn extreme_ids_and_texts_come_back(provider: &impl Provider) {
    let long = "ü".repeat(100_000);
    let rows = [
        application(i32::MIN, ""),
        application(i32::MAX, &long),
        instance(i32::MAX, "\0\u{10ffff}"),
        operation(i32::MIN, Some((i32::MIN, SpanType::Local, ""))),
        address(i32::MAX, Some("")),
    ];
    let extreme = [seen(i32::MIN, i64::MIN, Signal::Register, true)];
    expect(provider, &[(&rows, &extreme)]);
}

pub(super) fn the_order_of_rows_does_not_matter(provider: &impl Provider) {
    let zero_centred = |n: i32| if n % 2 == 0 { n / 2 + 1 } else { -n / 2 - 1 };
    let mut rows: Vec<Row> = (0..500)
        .map(|n| application(zero_centred(n), &n.to_string()))
        .collect();
    rows.rotate_left(123);
    rows.reverse();
    let (first, second) = rows.split_at(200);
    expect(provider, &[(second, &[]), (first, &[])]);
}

pub(super) fn a_huge_batch_comes_back(provider: &impl Provider) {
    let rows: Vec<Row> = (1..=50_000)
        .map(|id| instance(id, &id.to_string()))
        .collect();
    let all: Vec<Seen> = (1..=50_000)
        .map(|id| seen(id, 1, Signal::Register, false))
        .collect();
    expect(provider, &[(&rows, &all)]);
}

pub(super) fn any_sequence_of_batches_and_reopenings_agrees_with_a_map(provider: &impl Provider) {
    let mut random = Random(1);
    let mut storage = Some(begin(provider));
    let mut expected = Contents::new();
    for round in 0..100 {
        let (rows, all) = random_batch(&mut random, round);
        commit(storage.as_mut().unwrap(), &rows, &all);
        apply(&mut expected, &rows, &all);
        if random.below(4) == 0 {
            // The old one is closed before the new one opens.
            drop(storage.take());
            storage = Some(begin(provider));
        }
        if random.below(8) == 0 {
            assert_eq!(
                contents(storage.as_mut().unwrap()),
                expected,
                "round {round}"
            );
        }
    }
    assert_eq!(contents(storage.as_mut().unwrap()), expected);
}

/// Up to 40 rows and 20 `Seen`s, over few enough ids that they are often replaced.
pub(super) fn random_batch(random: &mut Random, round: usize) -> (Vec<Row>, Vec<Seen>) {
    let count = random.below(40);
    let row = |random: &mut Random| {
        let id = i32::try_from(random.below(100)).unwrap() + 1;
        let text: Arc<str> = format!("round {round} {}", random.next()).into();
        match random.below(4) {
            0 => application(-id, &text),
            1 => instance(id, &text),
            2 => operation(id, Some((-id, SpanType::Exit, &text))),
            _ => address(id, Some(&text)),
        }
    };
    let rows = (0..count).map(|_| row(random)).collect();
    let instant = i64::try_from(round).unwrap();
    let all = (0..random.below(20))
        .map(|_| i32::try_from(random.below(100)).unwrap() + 1)
        .map(|id| seen(id, instant, Signal::Heartbeat, id % 3 == 0))
        .collect();
    (rows, all)
}

/// Repeatable randomness (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}
