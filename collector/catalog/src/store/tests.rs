//! What every store promises.

use super::{Change, Embedded, Memory, Row, Store, Table};

fn put(table: Table, key: &str, value: &str) -> Change {
    Change::Put(Row {
        table,
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
    })
}

fn remove(table: Table, key: &str) -> Change {
    Change::Remove {
        table,
        key: key.to_owned(),
    }
}

fn rows(store: &dyn Store) -> Vec<(Table, String, String)> {
    let mut rows: Vec<_> = store
        .load()
        .unwrap()
        .into_iter()
        .map(|row| (row.table, row.key, String::from_utf8(row.value).unwrap()))
        .collect();
    rows.sort();
    rows
}

/// `open` gives the store as each run finds it.
fn contract(open: &dyn Fn() -> Box<dyn Store>) {
    let store = open();
    assert!(rows(&*store).is_empty(), "a new store is empty");
    let every: Vec<Change> = Table::ALL
        .iter()
        .map(|table| put(*table, "a\0b", "1"))
        .collect();
    store.commit(&every).unwrap();
    store
        .commit(&[
            put(Table::Instance, "a\0b", "2"),
            put(Table::Instance, "c", "3"),
            remove(Table::Service, "a\0b"),
            remove(Table::Service, "never there"),
        ])
        .unwrap();
    // Later changes of a batch win.
    store
        .commit(&[put(Table::Face, "k", "1"), put(Table::Face, "k", "2")])
        .unwrap();
    store
        .commit(&[put(Table::Switch, "k", "1"), remove(Table::Switch, "k")])
        .unwrap();
    let expected = rows(&*store);
    drop(store);
    let store = open();
    assert_eq!(
        rows(&*store),
        expected,
        "what was committed is there in the next run"
    );
    let has = |table, key: &str, value: &str| {
        expected.contains(&(table, key.to_owned(), value.to_owned()))
    };
    assert!(has(Table::Instance, "a\0b", "2") && has(Table::Instance, "c", "3"));
    assert!(has(Table::Face, "k", "2") && has(Table::Roster, "a\0b", "1"));
    assert_eq!(expected.len(), 8);
}

/// The same for the journal.
fn keeps_a_journal(open: &dyn Fn() -> Box<dyn Store>) {
    let store = open();
    assert!(store.journal().unwrap().is_empty());
    store.append(b"1\n22\n").unwrap();
    store.append(b"333\n").unwrap();
    store.trim(2).unwrap();
    store.append(b"4\nhalf of a l").unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.journal().unwrap(), b"22\n333\n4\n");
    store.append(b"5\n").unwrap();
    assert_eq!(store.journal().unwrap(), b"22\n333\n4\n5\n");
    store.trim(11).unwrap();
    drop(store);
    let store = open();
    assert!(store.journal().unwrap().is_empty());
    store.append(b"6\n").unwrap();
    assert_eq!(store.journal().unwrap(), b"6\n");
}

#[test]
fn memory_keeps_the_contract() {
    let store = Memory::default();
    contract(&|| Box::new(store.clone()));
    keeps_a_journal(&|| Box::new(store.clone()));
}

#[test]
fn embedded_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    contract(&|| Box::new(Embedded::open(directory.path()).unwrap()));
    keeps_a_journal(&|| Box::new(Embedded::open(directory.path()).unwrap()));
}

#[test]
fn a_second_process_is_refused_and_told_why() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Embedded::open(directory.path()).unwrap();
    let error = Embedded::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("another process uses it"), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("catalog.redb"), b"no store").unwrap();
    let error = Embedded::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("catalog.redb"), "{error}");
}

#[test]
fn an_interrupted_creation_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("catalog.redb.new"), b"half of a st").unwrap();
    let store = Embedded::open(directory.path()).unwrap();
    assert!(store.load().unwrap().is_empty());
}
