//! What a collector has used and written so far.

use std::{fs, path::Path, time::Duration};

use rollcall_tests::process::Collector;

/// Totals of a collector at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) cpu: Duration,
    pub(crate) journal: u64,
    pub(crate) lines: usize,
    pub(crate) resident: u64,
}

impl Totals {
    pub(crate) fn of(collector: &Collector) -> Self {
        Self {
            cpu: cpu_time(collector.id()),
            journal: size(&collector.data_dir().join("events")),
            lines: collector.log().len(),
            resident: collector.resident_bytes(),
        }
    }
}

/// The processor time of all threads so far, in user and kernel mode.
pub(crate) fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number of ticks"))
        .sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_secs(ticks) / per_second.try_into().expect("ticks per second")
}

/// The bytes of the files in a directory.
fn size(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}
