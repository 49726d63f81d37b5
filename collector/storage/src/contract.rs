//! The contract of every provider, one function per promise. [`contract!`] makes them the tests of a provider.

mod data;

use std::collections::BTreeMap;

use rollcall_domain::{
    inventory::{Row, SpanType},
    liveness::Signal,
};

use data::adopted;
pub(super) use data::{Random, address, application, instance, operation, random_batch, seen};

use super::{Batch, Commit, LastSeen, Record, Storage};

/// Opens the one store of a test, repeatedly. The storage of an earlier `open` is dropped before the next call.
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

/// The contents of a store, for comparison.
pub(super) type Contents = BTreeMap<(u8, i32), Record>;

/// All records that `storage` loads. Asserts that they are no more than it counts.
pub(super) fn contents(storage: &mut impl Storage) -> Contents {
    let counts = storage.counts().unwrap();
    let mut contents = Contents::new();
    let mut loaded = [0; 5];
    storage
        .load(&mut |record| {
            if let Some((kind, id)) = key(&record) {
                let is_new = !matches!(record, Record::Changed(_));
                loaded[usize::from(kind)] += usize::from(is_new);
                let record = match record {
                    Record::Unchanged(seen) => Record::LastSeen(seen),
                    Record::Changed(row) => Record::Row(Row::Instance(row)),
                    record => record,
                };
                contents.insert((kind, id), record);
            }
        })
        .unwrap();
    let counted = [
        counts.applications,
        counts.instances,
        counts.operations,
        counts.addresses,
        counts.seen,
    ];
    for (loaded, counted) in loaded.into_iter().zip(counted) {
        assert!(loaded <= counted, "{loaded} loaded, {counted} counted");
    }
    contents
}

/// Applies a batch to the contents of a store.
pub(super) fn apply(contents: &mut Contents, rows: &[Row], seen: &[LastSeen]) {
    let rows = rows.iter().cloned().map(Record::Row);
    let records = rows.chain(seen.iter().copied().map(Record::LastSeen));
    contents.extend(records.filter_map(|record| Some((key(&record)?, record))));
}

fn key(record: &Record) -> Option<(u8, i32)> {
    Some(match record {
        Record::Row(Row::Application(row)) => (0, row.id.get()),
        Record::Row(Row::Instance(row)) => (1, row.id.get()),
        Record::Row(Row::Operation(row)) => (2, row.id.get()),
        Record::Row(Row::Address(row)) => (3, row.id.get()),
        Record::LastSeen(seen) | Record::Unchanged(seen) => (4, seen.instance.get()),
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

fn commit(storage: &mut impl Storage, rows: &[Row], seen: &[LastSeen]) {
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

fn expect(provider: &impl Provider, batches: &[(&[Row], &[LastSeen])]) {
    let mut expected = Contents::new();
    for (rows, seen) in batches {
        commit(&mut begin(provider), rows, seen);
        apply(&mut expected, rows, seen);
    }
    assert_eq!(contents(&mut provider.open()), expected);
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
    let named = [
        application(7, "orders"),
        instance(7, "5a3c"),
        operation(7, Some((7, SpanType::Exit, "mysql"))),
        address(7, Some("10.0.0.1:3306")),
    ];
    expect(provider, &[(&adopted(7), &[]), (&named, &[])]);
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
    let all: Vec<LastSeen> = (1..=50_000)
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
            // Close the old storage before the new one opens.
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
