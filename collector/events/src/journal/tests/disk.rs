//! The files after a crash of the machine, and their size on the disk.

use super::*;

#[test]
fn a_sync_makes_the_names_of_new_files_durable_and_repeats_what_failed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let journal = opened(&path, drop).0;
    let is_named_anew = || journal.is_named_anew.load(Relaxed);
    assert!(is_named_anew(), "the file was created");
    journal.sync().unwrap();
    assert!(!is_named_anew());
    let next = fill(&journal, 1);
    append(&journal, &[stray(next)]).unwrap();
    assert!(is_named_anew(), "a new file took its place");
    let moved = path.with_extension("moved");
    fs::rename(&path, &moved).unwrap();
    journal.sync_names().unwrap_err();
    assert!(is_named_anew(), "the directory could not be synchronised");
    fs::rename(&moved, &path).unwrap();
    journal.sync().unwrap();
    assert!(!is_named_anew());
}

#[test]
fn a_batch_takes_no_more_of_the_disk_than_single_events_do() {
    let directory = TempDir::new().unwrap();
    let journal = open(&directory);
    let events: Vec<_> = (1..=4_096).map(stray).collect();
    append(&journal, &events).unwrap();
    assert!(journal.len() <= SIZE + 400, "{}", journal.len());
    let (first, last) = found_by_the_next_run(&directory);
    assert!(first > 1 && last == 4_096, "{first} to {last}");
    let found = journal.read(0, u64::MAX, usize::MAX).unwrap();
    assert_eq!(found.len(), usize::try_from(last + 1 - first).unwrap());
}

#[test]
fn the_events_before_the_one_that_the_disk_refuses_are_appended() {
    let directory = TempDir::new().unwrap();
    let journal = open(&directory);
    // A directory is in the place of the next file.
    fs::create_dir(directory.path().join("agents.new.log")).unwrap();
    let events: Vec<_> = (1..=4_096).map(stray).collect();
    let (appended, result) = journal.append(&events);
    result.unwrap_err();
    let last = u64::try_from(appended).unwrap();
    assert_eq!(found_by_the_next_run(&directory), (1, last));
    assert!(journal.len() >= SIZE / 2 && journal.len() <= SIZE / 2 + 200);
}

#[test]
fn a_new_file_that_cannot_be_begun_costs_no_event_of_the_others() {
    let directory = TempDir::new().unwrap();
    let journal = open(&directory);
    let next = fill(&journal, 1);
    // A directory is in the place of the next file.
    let obstacle = directory.path().join("agents.new.log");
    fs::create_dir(&obstacle).unwrap();
    for _ in 0..3 {
        append(&journal, &[stray(next)]).unwrap_err();
    }
    assert_eq!(found_by_the_next_run(&directory), (1, next - 1));
    fs::remove_dir(&obstacle).unwrap();
    append(&journal, &[stray(next)]).unwrap();
    assert_eq!(found_by_the_next_run(&directory), (1, next));
}

#[test]
fn a_journal_that_is_removed_or_replaced_is_begun_again() {
    let changes: [fn(&Path); 3] = [
        |path| fs::remove_dir_all(path).unwrap(),
        |path| fs::rename(path, path.with_extension("moved")).unwrap(),
        |path| fs::remove_file(path.join("agents.log")).unwrap(),
    ];
    for change in changes {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("events");
        let journal = opened(&path, drop).0;
        append(&journal, &[stray(1)]).unwrap();
        change(&path);
        append(&journal, &[stray(2)]).unwrap();
        journal.sync().unwrap_err();
        let found = opened(&path, drop).1;
        assert_eq!((found.last, found.next), (2, None));
        append(&journal, &[stray(3)]).unwrap();
        journal.sync().unwrap();
        let mut numbers = Vec::new();
        drop(opened(&path, |it| numbers.push(it.number)));
        assert_eq!(numbers, [3]);
        assert_eq!(Journal::series(&path).unwrap(), Some(77));
        let seen = journal.read(0, 9, 9).unwrap();
        let seen: Vec<_> = seen.iter().map(|it| it.number).collect();
        assert_eq!(seen, [1, 2, 3], "readers keep what is open");
        assert_eq!(opened(&path, drop).0.read(0, 9, 9).unwrap().len(), 1);
    }
}
