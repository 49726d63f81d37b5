//! What a crash of the machine leaves, and what the files take on the disk.

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
    journal.append(&[stray(next)]).unwrap();
    assert!(is_named_anew(), "a new file took its place");
    let moved = path.with_extension("moved");
    fs::rename(&path, &moved).unwrap();
    journal.sync_names().unwrap_err();
    assert!(is_named_anew(), "the directory could not be synchronised");
    fs::rename(&moved, &path).unwrap();
    journal.sync().unwrap();
    assert!(!is_named_anew());
}
