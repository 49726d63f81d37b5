//! Tests copies of a file that changes meanwhile.

use std::{fs, path::Path};

use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::*;

const ROWS: TableDefinition<'static, i32, &'static [u8]> = TableDefinition::new("rows");
const NAMES: TableDefinition<'static, &'static str, &'static str> = TableDefinition::new("names");

fn put(database: &Database, rows: impl Iterator<Item = i32>, bytes: usize) {
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(ROWS).unwrap();
        for row in rows {
            let value = vec![row.to_le_bytes()[0]; bytes];
            table.insert(row, value.as_slice()).unwrap();
        }
        let mut names = write.open_table(NAMES).unwrap();
        names.insert("", "production").unwrap();
    }
    write.commit().unwrap();
}

fn rows_at(path: &Path) -> Vec<(i32, Vec<u8>)> {
    let database = Builder::new()
        .set_check_integrity_on_open(true)
        .open(path)
        .unwrap();
    let read = database.begin_read().unwrap();
    let names = read.open_table(NAMES).unwrap();
    assert_eq!(names.get("").unwrap().unwrap().value(), "production");
    let table = read.open_table(ROWS).unwrap();
    let rows = table.iter().unwrap().map(|row| {
        let (key, value) = row.unwrap();
        (key.value(), value.value().to_vec())
    });
    rows.collect()
}

fn tables() -> Vec<Box<dyn Copied>> {
    vec![
        table(ROWS),
        table(NAMES),
        table(TableDefinition::<i32, i32>::new("never written")),
    ]
}

#[test]
fn a_copy_has_the_state_of_the_snapshot_whatever_is_written_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let database = Database::create(path("store")).unwrap();
    // Several steps, with ids on both sides of zero.
    put(&database, -1_000..1_000, 8_000);
    let snapshot = Snapshot::new(database.begin_read().unwrap(), tables());
    let mut steps = 0;
    let mut goes_on = || {
        steps += 1;
        put(&database, -2_000..-1_900, 10);
        put(&database, 0..10, 10);
        true
    };
    snapshot.write(&path("copy"), &mut goes_on).unwrap();
    assert!(steps > 3, "{steps}");
    let copied = rows_at(&path("copy"));
    assert_eq!(copied.len(), 2_000);
    assert!(copied.iter().all(|(_, value)| value.len() == 8_000));
    let exists = snapshot.write(&path("copy"), &mut || true);
    assert!(matches!(exists, Err(Error::Write(_))), "{exists:?}");
    assert_eq!(rows_at(&path("copy")), copied);
    // The file is used again as if there had been no snapshot.
    drop((snapshot, database));
    assert_eq!(rows_at(&path("store")).len(), 2_100);
}

#[test]
fn a_copy_that_is_ended_or_loses_its_file_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let database = Database::create(path("store")).unwrap();
    put(&database, 0..2_000, 8_000);
    let snapshot = Snapshot::new(database.begin_read().unwrap(), tables());
    let mut steps = 0;
    let ended = snapshot.write(&path("ended"), &mut || {
        steps += 1;
        steps < 3
    });
    assert!(matches!(ended, Err(Error::Ended)), "{ended:?}");
    // The store closes the engine when it finds the disk full, and opens it again.
    let mut closing = Some(database);
    let closed = snapshot.write(&path("closed"), &mut || {
        drop(closing.take());
        true
    });
    assert!(matches!(closed, Err(Error::Read(_))), "{closed:?}");
    drop(Database::open(path("store")).unwrap());
    drop(snapshot);
    assert_eq!(rows_at(&path("store")).len(), 2_000);
}

#[test]
fn damaged_rows_and_unknown_tables_are_not_left_out_silently() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let database = Database::create(path("store")).unwrap();
    put(&database, 0..10, 10);
    let of = |tables| Snapshot::new(database.begin_read().unwrap(), tables);
    let check: Check<i32, &'static [u8]> = |key, _value| match key {
        7 => Err("7: checksum mismatch".to_owned()),
        _ => Ok(()),
    };
    let checked = vec![
        checked::<i32, &'static [u8]>(ROWS, check),
        tables().swap_remove(1),
    ];
    let damaged = of(checked).write(&path("damaged"), &mut || true);
    let damaged = damaged.unwrap_err().to_string();
    assert_eq!(
        damaged,
        "the store is damaged: table rows: 7: checksum mismatch"
    );
    let few = vec![tables().swap_remove(0)];
    let unknown = of(few).write(&path("unknown"), &mut || true);
    assert!(
        unknown
            .as_ref()
            .is_err_and(|error| error.to_string().contains("the table names")),
        "{unknown:?}"
    );
    assert!(!fs::exists(path("unknown")).unwrap());
}
