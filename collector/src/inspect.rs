//! The commands that call a running collector over its admin listener: `roster`, `members`, `why`, `watch`, and `store backup`.
//!
//! All but `store backup` read the query API and the event feed, and change nothing. For people they print aligned columns, ages,
//! and colours on a terminal; with `--json`, one object in each line. Text from agents is printed with its control characters escaped.
//!
//! Exit codes: 0 all found items are up; 1 at least one found item is not up; 3 nothing was found; 4 the query failed; 64 a bad
//! command line or configuration.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;

use rollcall_collector::config;
use tracing::error;

use crate::cli::Arguments;
use crate::cli::inspect::{Backup, Roster, Target, Watch, Why};
use crate::system;

mod answer;
mod backup;
mod client;
mod connection;
mod feed;
mod members;
mod output;
mod roster;
mod server;
mod services;
mod table;
mod text;
mod timeline;
mod watch;
mod why;

use client::Client;
use connection::Connector;
use output::Output;
use server::Server;

/// The most instances of an application or a service that the text output explains one by one; `--json` explains all.
const MAX_EXPLAINED: usize = 20;

/// A command that queries a running collector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question<'a> {
    Roster(&'a Roster),
    Members(&'a Target),
    Why(&'a Why),
    Watch(&'a Watch),
    Backup(&'a Backup),
}

/// The result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Everything that was found is up.
    Up,
    /// Something that was found is not up.
    NotUp,
    Nothing,
}

impl Found {
    const fn code(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::NotUp => 1,
            Self::Nothing => 3,
        }
    }

    /// The result for the items of both results.
    fn with(self, other: Self) -> Self {
        match other {
            Self::Nothing => self,
            Self::Up => self.and(true),
            Self::NotUp => Self::NotUp,
        }
    }

    /// The result with one more item.
    fn and(self, is_up: bool) -> Self {
        match self {
            Self::Nothing | Self::Up if is_up => Self::Up,
            _ => Self::NotUp,
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The address or the token cannot be used, or the configuration is invalid.
    #[error("{0}")]
    Usage(String),
    /// The configuration file cannot be used.
    #[error("the configuration cannot be read; with --url the command does not need it")]
    Configuration(config::Error),
    /// The collector did not answer, or refused the question.
    #[error("{0}")]
    Unanswered(String),
    /// Standard output failed.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Sends the query and prints the answer on standard output.
pub(crate) fn run(
    question: Question<'_>,
    arguments: &Arguments,
    env: BTreeMap<String, String>,
) -> ExitCode {
    let is_plain = system::is_plain(&env);
    match run_query(question, arguments, env, is_plain) {
        Ok(Found::Nothing) => system::complain(&question.without_result(), Found::Nothing.code()),
        Ok(found) => found.code().into(),
        // The reader of the pipe has closed it, which is not a failure.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(problem) => {
            if let Error::Configuration(config::Error { problems }) = &problem {
                problems.iter().for_each(|problem| error!("{problem}"));
            }
            system::complain(&problem.to_string(), problem.code())
        }
    }
}

fn run_query(
    question: Question<'_>,
    arguments: &Arguments,
    env: BTreeMap<String, String>,
    is_plain: bool,
) -> Result<Found, Error> {
    let target = question.target();
    let server = Server::of(target, arguments, env)?;
    let identity = server.identity.as_ref();
    let identity = identity.map(|(cert_file, key_file)| (&**cert_file, &**key_file));
    let connector = Connector::new(server.ca_file.as_deref(), identity)?;
    let mut output = Output::new(target.json, is_plain);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(async {
        let client = Client::new(server, connector);
        match question {
            Question::Roster(roster) => roster::print(roster, &client, &mut output).await,
            Question::Members(_) => members::print(&client, &mut output).await,
            Question::Why(why) => why::print(why, &client, &mut output).await,
            Question::Watch(watch) => watch::print(watch, &client, &mut output).await,
            Question::Backup(backup) => backup::write(backup, &client, &mut output).await,
        }
    });
    output.flush()?;
    found
}

impl Question<'_> {
    /// The message if nothing was found.
    fn without_result(&self) -> String {
        match self {
            Self::Why(why) => format!(
                "nothing was found: no application, instance or service has the name or id {:?}, upper and lower case \
                 included; `rollcall-collector roster` lists the instances",
                text::escaped(&why.what)
            ),
            _ => "nothing was found".to_owned(),
        }
    }

    fn target(&self) -> &Target {
        match self {
            Self::Roster(roster) => &roster.target,
            Self::Members(target) => target,
            Self::Why(why) => &why.target,
            Self::Watch(watch) => &watch.target,
            Self::Backup(backup) => &backup.target,
        }
    }
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) => system::BAD_USAGE,
            Self::Unanswered(_) | Self::Output(_) => 4,
        }
    }
}
