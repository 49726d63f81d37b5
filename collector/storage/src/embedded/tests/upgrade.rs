//! Stores of other releases: which are read, upgraded or refused, and which unknown values are kept.

use std::fs;

use redb::{ReadableDatabase as _, TableDefinition};
use rollcall_domain::{
    inventory::{Generation, Row, SpanType},
    liveness::Signal,
};

use super::*;
use crate::{
    contract::{Contents, apply, contents, operation, seen},
    fixtures::{self, process},
    version::{VERSION, Versions},
};

const META: TableDefinition<'static, &str, u32> = TableDefinition::new("meta");

/// The versions that a store's file records.
fn recorded(store: &Temporary) -> Versions {
    let database = Database::open(store.file()).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    let version = |key| meta.get(key).unwrap().map(|version| version.value());
    Versions::found(version("format").unwrap(), version("reader"))
}

fn record(store: &Temporary, versions: Versions) {
    let database = Database::open(store.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    version::record(&transaction, versions).unwrap();
    transaction.commit().unwrap();
}

fn store_of_version_1() -> Temporary {
    let store = Temporary::new();
    fs::create_dir(store.config().path).unwrap();
    fs::write(store.file(), fixtures::EMBEDDED_V1).unwrap();
    store
}

#[test]
fn a_store_that_is_opened_to_read_keeps_its_version_and_has_no_namespace() {
    let store = store_of_version_1();
    let before = recorded(&store);
    let named = Config {
        namespace: "shop".to_owned(),
        ..store.config()
    };
    let mut opened = maintenance::open_to_read(&named).unwrap();
    assert_eq!(contents(&mut opened), fixtures::v1());
    drop(opened);
    assert_eq!(recorded(&store), before);
    drop(store.open());
    assert_ne!(recorded(&store), before, "an open to write upgrades it");
}

#[test]
fn a_store_of_version_1_is_read_and_upgraded() {
    let store = store_of_version_1();
    let mut opened = store.open();
    assert_eq!(contents(&mut opened), fixtures::v1());
    let later = process(1, "5a3c", Generation::V5, "4713");
    let batch = Batch {
        rows: std::slice::from_ref(&later),
        ..Batch::default()
    };
    assert_eq!(opened.commit(batch).unwrap(), Commit::Durable);
    drop(opened);
    assert_eq!(recorded(&store), Versions::NEW);
    let mut expected = fixtures::v1();
    apply(&mut expected, &[later], &[]);
    assert_eq!(contents(&mut store.open()), expected);
}

#[test]
fn a_newer_store_is_opened_if_its_reader_is_not_newer() {
    let store = Temporary::new();
    drop(store.open());
    let newer = VERSION + 1;
    let versions = Versions {
        format: newer,
        reader: VERSION,
    };
    record(&store, versions);
    drop(store.open());
    assert_eq!(recorded(&store), versions, "the versions are not lowered");
    record(&store, Versions::found(newer, None));
    let error = open(&store.config()).unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedVersion { found, supported, .. } if found == newer && supported == VERSION),
        "{error:?}"
    );
}

#[test]
fn values_of_a_later_release_are_kept() {
    let store = Temporary::new();
    let mut opened = store.open();
    let generation = Generation::from_number(9).unwrap();
    let rows = [
        process(1, "5a3c", generation, "1"),
        operation(2, Some((-1, SpanType::from_number(200), "queue"))),
    ];
    let signals = [seen(1, 1_000, Signal::from_code(40).unwrap(), false)];
    let batch = Batch {
        rows: &rows,
        seen: &signals,
        ..Batch::default()
    };
    assert_eq!(opened.commit(batch).unwrap(), Commit::Durable);
    drop(opened);
    let mut expected = Contents::new();
    apply(&mut expected, &rows, &signals);
    let mut opened = store.open();
    assert_eq!(contents(&mut opened), expected);
    let Row::Instance(row) = &rows[0] else {
        unreachable!("it is an instance")
    };
    assert_eq!(row.generation.map(Generation::number), Some(9));
}
