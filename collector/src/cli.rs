//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Names SkyWalking agents, gives them stable ids, and knows who is alive.
#[derive(Debug, Parser)]
#[command(name = "rollcall-collector", version, about)]
pub(crate) struct Arguments {
    /// Configuration file; what it leaves out has its default
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Directory of the embedded store
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Check the configuration and exit: 0 if it is good, 64 if it is not
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the configuration that is in effect, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "human")]
    pub(crate) log_format: LogFormat,

    /// What is logged: a level, or directives as in RUST_LOG, over which this wins
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The subcommands; without one the program runs a collector.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a collector and sample applications with terms of seconds; the store is temporary unless --data-dir is given
    Demo,
    /// Run a sample application; `demo` starts these
    #[command(hide = true)]
    Sample {
        /// Its application code
        code: String,
        /// The name of its instance
        name: String,
        /// Where it finds collectors, `host:port`
        naming: String,
    },
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people; in colour on a terminal
    Human,
    /// One JSON object in each line
    Json,
}
