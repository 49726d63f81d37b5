//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, CommandFactory as _, Parser, Subcommand, error::ErrorKind};
use rollcall_collector::config::LogFormat;

pub(crate) mod inspect;

/// Assigns stable ids to SkyWalking agents, serves Nacos clients, and reports which instances are alive.
#[derive(Debug, Parser)]
#[command(name = "rollcall-collector", version, about)]
pub(crate) struct Arguments {
    /// Configuration file; a key that it omits has its default
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Directory of the embedded store
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,

    /// Check the configuration and exit: 0 if it is valid, 64 if it is not
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the configuration that is in effect, and exit
    #[arg(long, conflicts_with = "check")]
    pub(crate) print_config: bool,

    /// Format of log lines; otherwise log.default.format of the configuration (SW_LOG_FORMAT)
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,

    /// Log filter: a level, or several of MODULE=LEVEL; otherwise RUST_LOG, or log.default.level of the configuration (SW_LOG_LEVEL)
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Arguments {
    /// Parses the command line of the process.
    ///
    /// # Errors
    /// clap's message: a mistake, or the help or version that was requested.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let arguments = Self::try_parse()?;
        let shows_configuration = arguments.check || arguments.print_config;
        match arguments.command {
            None | Some(Command::Demo) => Ok(arguments),
            Some(_) if !shows_configuration => Ok(arguments),
            // The command would act as if the flag were not there.
            Some(_) => Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                "--check and --print-config are for the collector and the demo: no other command takes them, and nothing was done",
            )),
        }
    }
}

/// The subcommands. Without one the program runs a collector.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a collector and sample applications with terms of seconds; the store is temporary unless --data-dir is given
    Demo,
    /// List instances, and whether they are alive
    ///
    /// Exit codes: 0 all listed instances are up, 1 some are not, 3 none matches, 4 the query failed.
    Roster(inspect::Roster),
    /// List the collectors of the cluster
    ///
    /// Exit codes: 0 all serve, 1 some do not, 4 the query failed.
    Members(inspect::Target),
    /// Explain the state of an application, an instance or a service: since when, and why
    ///
    /// Exit codes: 0 everything found is up, 1 something found is not up, 3 nothing was found, 4 the query failed.
    Why(inspect::Why),
    /// Print events as they happen, until interrupted
    Watch(inspect::Watch),
    /// Show, prepare or prune the embedded store while no collector uses it; back up that of a running collector
    #[command(subcommand)]
    Store(StoreCommand),
    /// Prepare the file of Nacos users
    #[command(subcommand)]
    Nacos(NacosCommand),
    /// Print the manual page (roff)
    Man,
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run a sample application; `demo` starts these
    #[command(hide = true)]
    Sample {
        /// The code of the application
        code: String,
        /// The name of the instance
        name: String,
        /// The naming server, `host:port`
        naming: String,
    },
}

/// The commands for the Nacos faces.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum NacosCommand {
    /// Read a password from standard input and print its hash, for the file of users (SW_NACOS_USERS_FILE)
    HashPassword,
}

/// The commands on the store.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Write a backup of the store of a running collector, into a directory on its machine
    ///
    /// Exit codes: 0 the backup is complete, 4 there is none: the message has the reason.
    Backup(inspect::Backup),
    #[command(flatten)]
    Maintain(Maintenance),
}

/// The commands on a store that no collector uses.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Maintenance {
    /// Print the contents of the store in numbers
    Info,
    /// Set the lowest ids that the store assigns, above those of another collector; no value is ever lowered. Creates the store
    /// if there is none
    #[command(group = ArgGroup::new("first ids").required(true).multiple(true).args([
        "first_application_id", "first_instance_id", "first_operation_id", "first_address_id",
    ]))]
    Import {
        /// Assign no application (service) id below this, on either side of 0
        #[arg(long, value_name = "ID", value_parser = first_id, allow_negative_numbers = true)]
        first_application_id: Option<i32>,
        /// Assign no instance id below this
        #[arg(long, value_name = "ID", value_parser = first_id, allow_negative_numbers = true)]
        first_instance_id: Option<i32>,
        /// Assign no operation (service name, endpoint) id below this, on either side of 0
        #[arg(long, value_name = "ID", value_parser = first_id, allow_negative_numbers = true)]
        first_operation_id: Option<i32>,
        /// Assign no network address id below this, on either side of 0
        #[arg(long, value_name = "ID", value_parser = first_id, allow_negative_numbers = true)]
        first_address_id: Option<i32>,
    },
    /// Remove properties of instances that were not seen for long, and properties that exceed the limits; every id stays
    /// assigned and keeps its name
    Prune {
        /// The time since an instance was last seen: 12h, 30d
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
        down_for: Duration,
        /// Print what would be removed, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Parses a positive id that leaves enough ids above it.
fn first_id(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|first| (1..=MOST).contains(first))
        .ok_or_else(|| format!("a whole number from 1 to {MOST}"))
}

/// The largest first id; it leaves half of the assignable ids.
const MOST: i32 = 1 << 29;

/// Parses a whole number with a unit: s, m, h or d.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.chars().last().unwrap_or_default();
    let seconds = match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u64>().ok());
    seconds
        .zip(number)
        .and_then(|(seconds, number)| number.checked_mul(seconds))
        .filter(|seconds| *seconds <= 100 * 366 * 24 * 60 * 60)
        .map(Duration::from_secs)
        .ok_or_else(|| "a whole number with a unit: 90m, 12h, 30d".to_owned())
}
