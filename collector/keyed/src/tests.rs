//! The promises of every store and every journal.

mod etcd;
mod exchange;

use std::path::Path;

use super::{
    Change, Row, Store, Table,
    embedded::Embedded,
    journal::{self, Completeness, Journal},
    memory::Memory,
};

/// The tables of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fruit {
    Apple,
    Pear,
    Plum,
}

impl Table for Fruit {
    const FORMAT: u32 = 1;
    const ALL: &'static [Self] = &[Self::Apple, Self::Pear, Self::Plum];

    fn name(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Pear => "pear",
            Self::Plum => "plum",
        }
    }
}

fn put(table: Fruit, key: &str, value: &str) -> Change<Fruit> {
    Change::Put(Row {
        table,
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
    })
}

fn remove(table: Fruit, key: &str) -> Change<Fruit> {
    Change::Remove {
        table,
        key: key.to_owned(),
    }
}

fn rows(store: &dyn Store<Fruit>) -> Vec<(Fruit, String, String)> {
    let mut rows: Vec<_> = store
        .load()
        .unwrap()
        .into_iter()
        .map(|row| (row.table, row.key, String::from_utf8(row.value).unwrap()))
        .collect();
    rows.sort();
    rows
}

/// `open` returns the store as each run finds it.
fn keeps_rows(open: &dyn Fn() -> Box<dyn Store<Fruit>>) {
    let store = open();
    assert!(rows(&*store).is_empty(), "a new store is empty");
    assert_eq!(store.get(Fruit::Apple, "a").unwrap(), None);
    let all: Vec<_> = Fruit::ALL
        .iter()
        .map(|table| put(*table, "a\0b", "1"))
        .collect();
    store.commit(&all).unwrap();
    let changes = [
        put(Fruit::Apple, "a\0b", "2"),
        put(Fruit::Apple, "c", "3"),
        remove(Fruit::Pear, "a\0b"),
        remove(Fruit::Pear, "never there"),
    ];
    store.commit(&changes).unwrap();
    // The later change of a row is applied.
    let twice = [put(Fruit::Plum, "k", "1"), put(Fruit::Plum, "k", "2")];
    store.commit(&twice).unwrap();
    let both = [put(Fruit::Pear, "k", "1"), remove(Fruit::Pear, "k")];
    store.commit(&both).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(store.get(Fruit::Plum, "k").unwrap().unwrap(), b"2");
    for (table, key) in [(Fruit::Pear, "k"), (Fruit::Plum, "c"), (Fruit::Plum, "")] {
        assert_eq!(store.get(table, key).unwrap(), None, "{table:?} {key}");
    }
    drop(store);
    let expected = [
        (Fruit::Apple, "a\0b", "2"),
        (Fruit::Apple, "c", "3"),
        (Fruit::Plum, "a\0b", "1"),
        (Fruit::Plum, "k", "2"),
    ];
    let expected = expected.map(|(table, key, value)| (table, key.to_owned(), value.to_owned()));
    assert_eq!(rows(&*open()), expected, "the next run finds every commit");
}

fn keeps_lines(open: &dyn Fn() -> Box<dyn Journal>) {
    let journal = open();
    assert!(journal.lines().unwrap().is_empty());
    journal.append(b"1\n22\n").unwrap();
    journal.append(b"333\n").unwrap();
    journal.sync().unwrap();
    journal.trim(2).unwrap();
    journal.sync().unwrap();
    journal.append(b"4\nhalf of a l").unwrap();
    drop(journal);
    let journal = open();
    assert_eq!(journal.lines().unwrap(), b"22\n333\n4\n");
    journal.append(b"5\n").unwrap();
    assert_eq!(journal.lines().unwrap(), b"22\n333\n4\n5\n");
    journal.trim(11).unwrap();
    drop(journal);
    let journal = open();
    assert!(journal.lines().unwrap().is_empty());
    journal.append(b"6\n").unwrap();
    assert_eq!(journal.lines().unwrap(), b"6\n");
    drop(journal);
    for completeness in [Completeness::Incomplete, Completeness::Complete] {
        let journal = open();
        assert_ne!(journal.completeness(), completeness);
        journal.mark(completeness).unwrap();
        journal.mark(completeness).unwrap();
        journal.trim(2).unwrap();
        drop(journal);
        assert_eq!(open().completeness(), completeness);
    }
}

#[test]
fn memory_keeps_the_contract() {
    let memory = Memory::default();
    keeps_rows(&|| Box::new(memory.clone()));
    keeps_lines(&|| Box::new(Memory::<Fruit>::clone(&memory)));
}

#[test]
fn files_keep_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    keeps_rows(&|| Box::new(Embedded::open(path, "basket").unwrap()));
    keeps_lines(&|| Box::new(journal::File::open(path, "basket").unwrap()));
}

#[test]
fn the_embedded_format_is_a_table_of_text_and_bytes_for_each_table_of_the_user() {
    use redb::{Database, ReadableDatabase as _, TableDefinition, TableHandle as _};
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(directory.path(), "basket").unwrap();
    store.commit(&[put(Fruit::Pear, "a\0b", "1")]).unwrap();
    drop(store);
    let database = Database::open(directory.path().join("basket.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let mut names: Vec<_> = read
        .list_tables()
        .unwrap()
        .map(|t| t.name().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["meta", "pear"]);
    let meta = TableDefinition::<&str, u32>::new("meta");
    let meta = read.open_table(meta).unwrap();
    for version in ["format", "reader"] {
        assert_eq!(meta.get(version).unwrap().unwrap().value(), 1, "{version}");
    }
    let pears = TableDefinition::<&str, &[u8]>::new("pear");
    let pears = read.open_table(pears).unwrap();
    assert_eq!(pears.get("a\0b").unwrap().unwrap().value(), b"1");
}

#[test]
fn a_second_process_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Embedded::<Fruit>::open(directory.path(), "basket");
    let _first = open().unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("another process uses it"), "{error}");
}

#[test]
fn a_file_that_is_not_a_store_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("basket.redb"), b"no store").unwrap();
    let opened = Embedded::<Fruit>::open(directory.path(), "basket");
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("basket.redb"), "{error}");
}

#[test]
fn nothing_is_acknowledged_once_the_file_is_not_the_store_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let changes: [fn(&Path); 3] = [
        |path| std::fs::remove_dir_all(path).unwrap(),
        |path| std::fs::rename(path.join("basket.redb"), path.join("other")).unwrap(),
        |path| {
            std::fs::copy(path.join("basket.redb"), path.join("copy")).unwrap();
            std::fs::rename(path.join("copy"), path.join("basket.redb")).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        std::fs::create_dir(&path).unwrap();
        let store = Embedded::open(&path, "basket").unwrap();
        store.commit(&[put(Fruit::Pear, "a", "1")]).unwrap();
        change(&path);
        for _ in 0..2 {
            let refused = store.commit(&[put(Fruit::Pear, "b", "2")]).unwrap_err();
            let refused = refused.to_string();
            assert!(refused.contains("basket.redb"), "{refused}");
            assert!(
                refused.contains("removed, renamed or replaced"),
                "{refused}"
            );
        }
    }
}

#[test]
fn an_interrupted_creation_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("basket.redb.new"), b"half of a st").unwrap();
    let store = Embedded::open(directory.path(), "basket").unwrap();
    assert!(rows(&store).is_empty());
}
