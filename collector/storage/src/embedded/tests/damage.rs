//! A damaged file is refused with a clear message, or loads everything that was written. It never panics.

use std::{fs, ops::Range, path::PathBuf};

use super::{
    super::{Purpose, initialize, open, open_backend},
    Temporary,
    disk::{Disk, Fault},
};
use crate::{
    Batch, Commit, Error, Record, Storage as _,
    contract::{Contents, Provider as _, Random, apply, contents, random_batch},
};

/// A store with many commits, as a killed and as a stopped collector leave it, and its contents.
fn stores() -> ([Vec<u8>; 2], Contents) {
    let disk = Disk::new(Vec::new(), Fault::Never);
    initialize(disk.clone(), false).unwrap();
    let mut storage = open_backend(
        disk.clone(),
        PathBuf::from("disk"),
        Box::new(disk.clone()),
        Purpose::Write,
    )
    .unwrap();
    let (mut random, mut expected) = (Random(3), Contents::new());
    for round in 0..50 {
        let (rows, seen) = random_batch(&mut random, round);
        let (rows, seen) = (&rows[..], &seen[..]);
        let committed = storage
            .commit(Batch {
                rows,
                seen,
                digest: None,
            })
            .unwrap();
        assert_eq!(committed, Commit::Durable);
        apply(&mut expected, rows, seen);
    }
    let killed = disk.image();
    drop(storage);
    ([killed, disk.image()], expected)
}

/// Loads `image`, which yields `expected` or a clear refusal. Returns whether it was refused.
fn refused(image: Vec<u8>, expected: &Contents, what: &str) -> bool {
    let disk = Disk::new(image, Fault::Never);
    let mut found = Contents::new();
    let result = open_backend(
        disk.clone(),
        PathBuf::from("disk"),
        Box::new(disk),
        Purpose::Write,
    )
    .and_then(|mut storage| storage.load(&mut |record| apply_record(&mut found, record)));
    match result {
        Ok(()) => assert!(found == *expected, "{what}: other contents"),
        Err(Error::Corrupt { .. }) => return true,
        Err(error) => panic!("{what}: {error:?}"),
    }
    false
}

fn apply_record(contents: &mut Contents, record: Record) {
    match record {
        Record::Row(row) => apply(contents, &[row], &[]),
        Record::LastSeen(seen) => apply(contents, &[], &[seen]),
        _ => {}
    }
}

/// Loads stores damaged by `damage`, one for every seed. Returns the number of refusals.
fn damaged(seeds: u64, damage: impl Fn(&mut Vec<u8>, &mut Random)) -> usize {
    let (images, expected) = stores();
    let mut refusals = 0;
    for seed in 0..seeds {
        for (which, image) in images.iter().enumerate() {
            let mut image = image.clone();
            damage(&mut image, &mut Random(seed));
            let what = format!("image {which}, seed {seed}");
            refusals += usize::from(refused(image, &expected, &what));
        }
    }
    refusals
}

/// A random range of `image`, up to 20 kB long.
fn stretch(image: &[u8], random: &mut Random) -> Range<usize> {
    let start = random.below(image.len());
    start..(start + 1 + random.below(20_000)).min(image.len())
}

#[test]
fn flipped_bits_are_found_or_harmless() {
    let refusals = damaged(200, |image, random| {
        for _ in 0..=random.below(4) {
            let at = random.below(image.len());
            image[at] ^= 1 << random.below(8);
        }
    });
    assert!(refusals > 10, "{refusals} refusals");
}

#[test]
fn zeroed_stretches_are_found_or_harmless() {
    let refusals = damaged(100, |image, random| {
        let stretch = stretch(image, random);
        image[stretch].fill(0);
    });
    assert!(refusals > 10, "{refusals} refusals");
}

#[test]
fn random_stretches_are_found_or_harmless() {
    let refusals = damaged(100, |image, random| {
        let stretch = stretch(image, random);
        image[stretch].fill_with(|| random.next().to_le_bytes()[0]);
    });
    assert!(refusals > 10, "{refusals} refusals");
}

#[test]
fn a_truncated_store_is_found() {
    let refusals = damaged(50, |image, random| {
        image.truncate(1 + random.below(image.len() - 1));
    });
    assert!(refusals > 10, "{refusals} refusals");
}

#[test]
fn a_flipped_bit_of_the_header_is_found_or_harmless() {
    // One bit selects the active commit slot, and no checksum in the file covers it. After a clean stop both slots hold
    // everything.
    const SLOT_IN_FORCE: usize = 9 * 8;
    let ([killed, stopped], expected) = stores();
    let bits = || (0..64 * 8).chain((64 * 8..512 * 8).step_by(13));
    for (name, image, untold) in [
        ("killed", killed, Some(SLOT_IN_FORCE)),
        ("stopped", stopped, None),
    ] {
        for bit in bits().filter(|bit| Some(*bit) != untold) {
            let mut image = image.clone();
            image[bit / 8] ^= 1 << (bit % 8);
            refused(image, &expected, &format!("{name}, bit {bit}"));
        }
    }
}

#[test]
fn a_file_of_something_else_is_refused() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut image = vec![0; 1 + random.below(100_000)];
        if seed % 2 == 0 {
            image.fill_with(|| random.next().to_le_bytes()[0]);
        }
        assert!(refused(image, &Contents::new(), &format!("seed {seed}")));
    }
}

#[test]
fn an_emptied_file_is_refused_and_not_changed() {
    let store = Temporary::new();
    drop(store.open());
    let file = store.config().path.join("rollcall.redb");
    fs::write(&file, "").unwrap();
    let error = open(&store.config()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
}

#[test]
fn a_damaged_file_is_named_and_so_is_the_remedy() {
    let store = Temporary::new();
    drop(store.open());
    let file = store.config().path.join("rollcall.redb");
    fs::write(&file, "not a store").unwrap();
    let error = open(&store.config()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(file.to_str().unwrap()), "{message}");
    assert!(message.contains("restore it from a backup"), "{message}");
}

#[test]
fn an_interrupted_first_start_leaves_nothing_behind() {
    let store = Temporary::new();
    fs::create_dir(store.config().path).unwrap();
    let unfinished = store.config().path.join("rollcall.redb.new");
    fs::write(&unfinished, "half a store").unwrap();
    assert_eq!(contents(&mut store.open()), Contents::new());
    assert!(!unfinished.exists());
}
