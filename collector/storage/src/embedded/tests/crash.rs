//! Wherever the disk fails: acknowledged batches survive, no batch survives in part, and no more are accepted, until a disk that
//! was only full has room again.

use std::path::PathBuf;

use rollcall_domain::inventory::Row;

use super::{
    super::{Embedded, Purpose, initialize, open_backend},
    disk::{Disk, Fault},
};
use crate::{
    Batch, Error, Record, Storage as _,
    contract::{Contents, Random, apply, contents, random_batch},
};

const BATCHES: usize = 12;

fn mount(disk: &Disk) -> Result<Embedded, Error> {
    let medium = Box::new(disk.clone());
    open_backend(disk.clone(), PathBuf::from("disk"), medium, Purpose::Write)
}

fn empty_store() -> Vec<u8> {
    let disk = Disk::new(Vec::new(), Fault::Never);
    initialize(disk.clone(), false).unwrap();
    disk.image()
}

/// The result of a run.
struct Run {
    disk: Disk,
    /// The contents after 0, 1, 2 ... batches.
    states: Vec<Contents>,
    /// The number of acknowledged batches.
    acknowledged: usize,
}

/// Opens the store and commits until a call fails, then checks that the storage refuses every further call.
fn run(image: Vec<u8>, fault: Fault) -> Run {
    let disk = Disk::new(image, fault);
    let mut random = Random(7);
    let mut states = vec![Contents::new()];
    let mut acknowledged = 0;
    if let Ok(mut storage) = mount(&disk) {
        for round in 0..BATCHES {
            let (rows, seen) = random_batch(&mut random, round);
            let (rows, seen) = (&rows[..], &seen[..]);
            let mut next = states[round].clone();
            apply(&mut next, rows, seen);
            states.push(next);
            let batch = Batch {
                rows,
                seen,
                digest: None,
            };
            if storage.commit(batch).is_err() {
                let refused = storage.commit(batch);
                let is_refused = match fault {
                    Fault::FullAtWrite(_) | Fault::FullAtSync(_) => {
                        matches!(refused, Err(Error::Full { .. }))
                    }
                    _ => matches!(refused, Err(Error::Poisoned { .. })),
                };
                assert!(is_refused, "{refused:?}");
                break;
            }
            acknowledged += 1;
        }
    }
    Run {
        disk,
        states,
        acknowledged,
    }
}

/// Checks that `image` holds the state of the last acknowledged batch, or of the batch that failed.
fn check(image: Vec<u8>, run: &Run, what: &str) {
    let disk = Disk::new(image, Fault::Never);
    let mut storage = mount(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = contents(&mut storage);
    let last = run.states.len().min(run.acknowledged + 2);
    assert!(
        run.states[run.acknowledged..last].contains(&found),
        "{what}: {} batches were acknowledged",
        run.acknowledged
    );
}

#[test]
fn a_power_loss_at_any_sync_loses_nothing_acknowledged() {
    let image = empty_store();
    for n in 1.. {
        let run = run(image.clone(), Fault::PowerLossAtSync(n));
        for seed in 0..20 {
            let image = run.disk.image_after_power_loss(&mut Random(seed));
            check(image, &run, &format!("sync {n}, seed {seed}"));
        }
        if !run.disk.failed() {
            assert_eq!(run.acknowledged, BATCHES);
            assert!(n > BATCHES, "every batch is synced: {n}");
            return;
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_write_loses_nothing_acknowledged() {
    let image = empty_store();
    for n in 1.. {
        let run = run(image.clone(), Fault::FullAtWrite(n));
        check(run.disk.image(), &run, &format!("write {n}"));
        let image = run.disk.image_after_power_loss(&mut Random(0));
        check(image, &run, &format!("write {n}, then a power loss"));
        if !run.disk.failed() {
            assert_eq!(run.acknowledged, BATCHES);
            return;
        }
    }
}

#[test]
fn a_disk_that_is_full_at_any_sync_loses_nothing_acknowledged() {
    let image = empty_store();
    for n in 1.. {
        let run = run(image.clone(), Fault::FullAtSync(n));
        check(run.disk.image(), &run, &format!("sync {n}"));
        for seed in 0..20 {
            let image = run.disk.image_after_power_loss(&mut Random(seed));
            check(image, &run, &format!("sync {n}, seed {seed}"));
        }
        if !run.disk.failed() {
            assert_eq!(run.acknowledged, BATCHES);
            assert!(n > BATCHES, "every batch is synced: {n}");
            return;
        }
    }
}

#[test]
fn a_full_disk_is_reported_as_such() {
    let image = empty_store();
    let disk = Disk::new(image, Fault::FullAtWrite(20));
    let mut storage = mount(&disk).unwrap();
    let (rows, _) = random_batch(&mut Random(0), 0);
    let batch = Batch {
        rows: &rows,
        seen: &[],
        digest: None,
    };
    let error = (0..100).find_map(|_| storage.commit(batch).err());
    assert!(matches!(error, Some(Error::Full { .. })), "{error:?}");
}

/// Repeats [`Embedded::catch_up`], which pauses between its attempts, until it succeeds.
fn resume(storage: &mut Embedded) -> Vec<Row> {
    loop {
        let mut rows = Vec::new();
        let resumed = storage.catch_up(&mut |record| match record {
            Record::Row(row) => rows.push(row),
            other => panic!("{other:?}"),
        });
        match resumed {
            Ok(()) => return rows,
            Err(Error::Full { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_disk_that_was_full_at_any_write_gets_the_batch_that_failed_and_all_later_ones() {
    gets_all_batches(Fault::FullAtWrite);
}

#[test]
fn a_disk_that_was_full_at_any_sync_gets_the_batch_that_failed_and_all_later_ones() {
    gets_all_batches(Fault::FullAtSync);
}

fn gets_all_batches(full_at: fn(usize) -> Fault) {
    let image = empty_store();
    for n in 1.. {
        let fault = full_at(n);
        let disk = Disk::new(image.clone(), fault);
        let Ok(mut storage) = mount(&disk) else {
            continue;
        };
        let (mut random, mut expected) = (Random(7), Contents::new());
        let mut has_failed = false;
        for round in 0..BATCHES {
            let (rows, seen) = random_batch(&mut random, round);
            let batch = Batch {
                rows: &rows,
                seen: &seen,
                digest: None,
            };
            apply(&mut expected, &rows, &seen);
            match storage.commit(batch) {
                Ok(_durable) => continue,
                Err(Error::Full { .. }) => {}
                Err(error) => panic!("{fault:?}: {error}"),
            }
            assert!(!has_failed, "{fault:?}: full again");
            has_failed = true;
            if let Fault::FullAtWrite(_) = fault {
                let still_full = storage.catch_up(&mut |record| panic!("{record:?}"));
                assert!(
                    matches!(still_full, Err(Error::Full { .. })),
                    "{fault:?}: {still_full:?}"
                );
            }
            disk.make_room();
            assert_eq!(resume(&mut storage), rows, "{fault:?}");
            assert!(resume(&mut storage).is_empty(), "{fault:?}: once");
        }
        assert_eq!(contents(&mut storage), expected, "{fault:?}");
        for seed in 0..20 {
            let image = disk.image_after_power_loss(&mut Random(seed));
            let lost = Disk::new(image, Fault::Never);
            assert_eq!(contents(&mut mount(&lost).unwrap()), expected, "{fault:?}");
        }
        if !has_failed {
            return;
        }
    }
}
