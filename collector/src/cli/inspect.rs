//! The arguments of the commands that query a running collector.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

/// The collector to query, and the form of the answer.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Address of the admin listener: http://HOST:PORT; also ROLLCALL_URL, otherwise the `ui` module of the configuration
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Token of the admin listener; better in ROLLCALL_TOKEN, because other users of this machine see arguments
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// Certificate authority (PEM) of an https address; also ROLLCALL_CA_FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Certificate (PEM) for an https address that requires one of its clients; also ROLLCALL_CERT_FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,

    /// Private key (PEM) of that certificate; also ROLLCALL_KEY_FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// One JSON object in each line, for scripts
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `roster`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Roster {
    /// Only instances of this application: its code, or its id; `unknown` for those that reported none
    #[arg(long, value_name = "APPLICATION", allow_negative_numbers = true)]
    pub(crate) application: Option<String>,

    /// Only instances in these states, including those that have been down or left for long
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_enum)]
    pub(crate) state: Vec<State>,

    /// Only instances whose state changed after this time: an age (30m, 12h), or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "SINCE", value_parser = since)]
    pub(crate) since: Option<Since>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `why`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Why {
    /// An application (its code), an instance (its name, UUID or id), or a Nacos service (its name, or GROUP@@NAME) or an
    /// instance of one (IP:PORT)
    #[arg(value_name = "WHAT", allow_negative_numbers = true)]
    pub(crate) what: String,

    /// Only services of this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `watch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Watch {
    /// Begin with the events after this time: an age (30m, 12h), or a time; as far as the collector's journal reaches
    #[arg(long, value_name = "SINCE", value_parser = since)]
    pub(crate) since: Option<Since>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `store backup`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Backup {
    /// The name of the backup, without a directory; otherwise the collector makes one from the time
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// A state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    Up,
    Silent,
    Down,
    Left,
}

/// The start of a period that lasts until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// This long before now.
    Ago(Duration),
    At(Timestamp),
}

impl State {
    /// Its word in the query API.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Silent => "silent",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

/// Parses an age with a unit, or a time.
fn since(text: &str) -> Result<Since, String> {
    if let Ok(age) = super::duration(text) {
        return Ok(Since::Ago(age));
    }
    let time = text.parse().map(Since::At);
    time.map_err(|_no_time| {
        "an age with a unit (90m, 12h, 30d), or a time such as 2026-01-31T12:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests;
