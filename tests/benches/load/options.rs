//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Measures the collector beside servers that do nothing.
#[derive(Clone, Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    /// Measures only what has one of these in its name.
    filters: Vec<String>,

    /// How often each server is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// How long a server is measured in one round, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,

    /// Puts a second bare server in the collector's place: how far its ratio is from 1 is how far any ratio can be trusted.
    #[arg(long)]
    pub(crate) control: bool,

    /// Writes the report to `tests/benches/RESULTS.md` too.
    #[arg(long, conflicts_with_all = ["control", "filters"])]
    pub(crate) save: bool,

    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,

    /// What to be instead; the benchmark starts itself so, for servers in processes of their own.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Servers to compare with. They end when their standard input does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    #[command(hide = true)]
    BareHyper(Reply),
    #[command(hide = true)]
    BareTonic,
}

/// What bare hyper answers to everything.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// What a collector on the default ports answers.
impl Default for Reply {
    fn default() -> Self {
        Self {
            content_type: "application/json".into(),
            body: r#"["127.0.0.1:11800"]"#.into(),
        }
    }
}

impl Options {
    /// Whether something of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| name.contains(filter.as_str()))
    }

    /// How long a server is measured in one round.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
