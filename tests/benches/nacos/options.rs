//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Measures only the rows whose name contains one of these texts. If one row about a change is selected, all three are
    /// measured.
    filters: Vec<String>,

    /// How often each server is measured.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,

    /// The duration of each kind of call, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,

    /// The binary of r-nacos.
    #[arg(long)]
    pub(crate) rnacos: Option<PathBuf>,

    /// Measures only 100,000 subscribers that never acknowledge a push, instead of the table.
    #[arg(long)]
    pub(crate) deaf: bool,

    /// Also writes the table to its section of `tests/benches/RESULTS.md`.
    #[arg(long, conflicts_with = "filters")]
    pub(crate) save: bool,

    /// Runs the bare servers instead of the benchmark. The benchmark starts its own executable with this option.
    #[arg(long, hide = true)]
    pub(crate) bare: bool,

    /// Ignored. Cargo passes this option to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether the row with this name is measured.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|part| row.contains(part))
    }

    pub(crate) const fn period(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
