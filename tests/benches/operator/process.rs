//! Reads what a collector has used so far: processor time, bytes of the journal, log lines and resident memory.

use std::{fs, path::Path, time::Duration};

use rollcall_tests::process::{Collector, cpu_time};

/// What a collector has used up to one moment. `resident` is the memory at that moment.
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

/// The total size of the files in a directory, in bytes.
fn size(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}
