//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Compares the collector with bare servers.
#[derive(Clone, Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    /// Measures only scenarios whose name contains one of these texts.
    filters: Vec<String>,

    /// The number of measurements per server.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// The duration of one measurement, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Replaces the collector with a second bare server. The distance of its ratio from 1 is the error of all ratios.
    #[arg(long)]
    pub(crate) control: bool,

    /// Also replaces the sections of the measured scenarios in `tests/benches/RESULTS.md`. The table that compares servers is
    /// replaced as a whole, so filters must select all of its scenarios or none.
    #[arg(long, conflicts_with = "control")]
    pub(crate) save: bool,

    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,

    /// Runs as a bare server instead. The benchmark starts itself with this command, so that the servers are separate processes.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The bare servers. They end when their standard input ends.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    #[command(hide = true)]
    BareHyper(Reply),
    #[command(hide = true)]
    BareTonic,
}

/// The only reply of bare hyper.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// The reply of a collector on the default ports.
impl Default for Reply {
    fn default() -> Self {
        Self {
            content_type: "application/json".into(),
            body: r#"["127.0.0.1:11800"]"#.into(),
        }
    }
}

impl Options {
    /// Whether to measure the scenario with this name.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| name.contains(filter.as_str()))
    }

    /// The duration of one measurement.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
