//! Compares storage engines for the inventory by measurement:
//!
//! ```text
//! cargo run --release --manifest-path tests/benches/storage/Cargo.toml --target-dir target/storage-bench [-- ENGINE]
//! ```
//!
//! Every write is synced. The collector's store is measured as the collector uses it: with its encoding, its checksums, and a
//! commit in two phases, which syncs twice. The other columns are bare engines.
//!
//! # Figures
//!
//! Machine: two cores of a Xeon at 2.5 GHz, ext4 on a virtual disk, Linux 6.18. Versions: commit 4f94edb, redb 4.5.0, fjall 3.1.13.
//! The machine was busy with other work, so elapsed times were meaningless. The times are the CPU time of all threads, which
//! differed by about a third between runs. The store has a million instances (about 180 bytes each) and a million `LastSeen`s.
//!
//! | | the collector's store | redb, one row per key | redb, one batch per key | fjall | fjall, small memtables |
//! |---|---|---|---|---|---|
//! | insert, us per row, 1 per commit | 253 | 223 | 222 | 91 | 76 |
//! | 16 per commit | 20.3 | 23.3 | 20.8 | 6.9 | 6.2 |
//! | 128 per commit | 5.7 | 4.9 | 3.3 | 2.2 | 4.1 |
//! | 512 per commit | 3.5 | 3.1 | 1.2 | 2.7 | 3.0 |
//! | 2048 per commit | 3.2 | 2.5 | 0.6 | 1.3 | 2.4 |
//! | update 4096 neighbouring `LastSeen`s, us each | 1.8 | 1.5 | 0.15 | 1.0 | 2.0 |
//! | update 4096 scattered `LastSeen`s, us each | 12.6 | 16.8 | 0.13 | 3.6 | 3.9 |
//! | open, s | 0.34 | 0.37 | 0.24 | 2.1 | 2.0 |
//! | load, s | 1.6 | 0.35 | 0.14 | 0.66 | 0.77 |
//! | on disk after the fill, MB | 181 | 190 | 294 | 277 | 269 |
//!
//! The two redb columns verify every page when they open; fjall reads its journal. Only the first column decodes the loaded rows.
//! With one batch per key, replaced rows remain in the store; the last four figures of that column are from before any compaction.

mod batched;
mod embedded;
mod engine;
mod keyed;
mod lsm;

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

use engine::{Engine, Result, Sample, SeenSample, samples, seen_samples};

/// The number of instances in the store before the measurement.
const INSTANCES: i32 = 1_000_000;

type Open = fn(&Path) -> Result<Box<dyn Engine>>;

fn main() -> Result<()> {
    let engines: [(&str, Open); 5] = [
        ("the collector's store", embedded::open),
        ("redb, one row per key", keyed::open),
        ("redb, one batch per key", batched::open),
        ("fjall", lsm::open),
        ("fjall, small memtables", lsm::open_small),
    ];
    let wanted: Vec<String> = env::args().skip(1).collect();
    for (name, open) in engines {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            measure(name, open)?;
        }
    }
    Ok(())
}

fn measure(name: &str, open: Open) -> Result<()> {
    println!("{name}");
    // The directory is next to the executable, because the system's temporary directory is often in memory.
    let executable = env::current_exe()?;
    let directory = tempfile::tempdir_in(executable.parent().unwrap_or(&executable))?;
    let mut engine = open(directory.path())?;
    let mut next = 1;
    while next <= INSTANCES {
        engine.insert(&samples(&mut next, 1000))?;
    }
    for first in (1..=INSTANCES).step_by(4096) {
        engine.update(&seen_samples(first..first + 4096))?;
    }
    println!(
        "  {INSTANCES} instances: {} MB on disk",
        disk_bytes(directory.path())? / 1_000_000
    );
    drop(engine);
    let mut engine = timed("open", 1, || open(directory.path()))?;
    let count = timed("load", 1, || engine.load())?;
    println!("  {count} loaded");
    for (size, commits) in [(1, 2000), (16, 2000), (128, 1000), (512, 400), (2048, 100)] {
        let batches: Vec<_> = (0..commits).map(|_| samples(&mut next, size)).collect();
        timed(&format!("insert {size} per commit"), size * commits, || {
            batches.iter().try_for_each(|rows| engine.insert(rows))
        })?;
    }
    for (order, stride) in [("neighbouring", 1), ("scattered", 7919)] {
        let batches: Vec<_> = (0..50)
            .map(|batch| {
                let nth = move |n| (batch * 4096 + n) * stride % INSTANCES + 1;
                seen_samples((0..4096).map(nth))
            })
            .collect();
        timed(
            &format!("update 4096 {order} LastSeen per commit"),
            50 * 4096,
            || batches.iter().try_for_each(|seen| engine.update(seen)),
        )?;
    }
    println!(
        "  {} MB on disk in the end",
        disk_bytes(directory.path())? / 1_000_000
    );
    Ok(())
}

/// Runs `work`, and prints its duration, or its rate and cost per item if `count` is more than 1.
fn timed<T>(what: &str, count: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (wall, cpu) = (Instant::now(), cpu_time());
    let result = work()?;
    let (wall, cpu) = (wall.elapsed(), cpu_time() - cpu);
    if count == 1 {
        println!("  {what}: {wall:.2?}, {cpu:.2?} CPU");
    } else {
        let count = f64::from(u32::try_from(count)?);
        let rate = count / wall.as_secs_f64();
        let cost = cpu.as_secs_f64() * 1e6 / count;
        println!("  {what}: {rate:.0}/s, {cost:.2} us CPU each");
    }
    Ok(result)
}

/// The CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn disk_bytes(path: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(sum)
}
