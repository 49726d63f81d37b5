//! The totals of a collector so far: processor time, bytes of the journal, log lines and resident memory.

use std::{fs, path::Path, time::Duration};

use rollcall_tests::process::{Collector, cpu_time};

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

/// The bytes of the files in a directory.
fn size(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}
