use std::{fs, path::Path};

use tempfile::TempDir;

use super::{append, stray};
use crate::{
    event::Lane,
    journal::{Journal, Journals, Lock},
};

fn open(path: &Path) -> Journals {
    let lock = Lock::acquire(path).unwrap();
    let journal = |lane| {
        Journal::open(path, lane, (super::SIZE, 77), drop)
            .unwrap()
            .0
    };
    Journals::new(Lane::ALL.map(journal), lock)
}

#[test]
fn a_directory_that_is_begun_again_is_locked_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let journals = open(&path);
    fs::remove_dir_all(&path).unwrap();
    journals.lanes[0].sync().unwrap_err();
    Lock::acquire(&path).unwrap_err();
    journals.lanes[1].sync().unwrap_err();
    for journal in &journals.lanes[..2] {
        append(journal, &[stray(1)]).unwrap();
        journal.sync().unwrap();
    }
}

#[test]
fn a_directory_that_another_collector_uses_by_now_is_left_to_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let journals = open(&path);
    fs::remove_dir_all(&path).unwrap();
    let other = open(&path);
    append(&journals.lanes[0], &[stray(1)]).unwrap();
    let error = journals.lanes[0].sync().unwrap_err();
    assert!(error.to_string().contains("uses it"), "{error}");
    append(&other.lanes[0], &[stray(2)]).unwrap();
    drop((journals, other));
    let mut numbers = Vec::new();
    drop(super::opened(&path, |it| numbers.push(it.number)));
    assert_eq!(numbers, [2]);
}
