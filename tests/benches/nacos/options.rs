//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// The measurements of each server.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,

    /// The duration of each kind of call, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,

    /// The binary of r-nacos.
    #[arg(long)]
    pub(crate) rnacos: Option<PathBuf>,

    /// Measures 100,000 subscribers that never acknowledge instead.
    #[arg(long)]
    pub(crate) deaf: bool,

    /// Also writes the table to its section of `tests/benches/RESULTS.md`.
    #[arg(long)]
    pub(crate) save: bool,

    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) const fn period(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
