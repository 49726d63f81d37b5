//! Access to the system: environment, files, limits, early messages.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use rollcall_collector::config::{self, Origin, Problem, Sources};
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{debug, info};

use crate::cli::Arguments;

/// The environment, without variables that are not UTF-8. Such a variable of the collector is a problem; see [`unreadable`].
pub(crate) fn environment() -> BTreeMap<String, String> {
    let pairs = std::env::vars_os();
    pairs
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The variables whose names begin with `prefix` and whose values are not UTF-8.
pub(crate) fn unreadable(prefix: &str) -> Vec<Problem> {
    let pairs = std::env::vars_os();
    let names = pairs.filter(|(_, value)| value.to_str().is_none());
    let names = names.filter_map(|(name, _)| name.into_string().ok());
    names
        .filter(|name| name.starts_with(prefix))
        .map(|name| Problem {
            origin: None,
            key: name,
            message: "its value is not UTF-8".to_owned(),
        })
        .collect()
}

/// The sources of the configuration.
///
/// # Errors
/// The configuration file or a variable cannot be read.
pub(crate) fn sources(
    arguments: &Arguments,
    env: BTreeMap<String, String>,
) -> Result<Sources, config::Error> {
    let problems = unreadable("SW_");
    if !problems.is_empty() {
        return Err(config::Error { problems });
    }
    let file = match &arguments.config {
        None => None,
        Some(path) => {
            let name = path.display().to_string();
            match read(path) {
                Ok(text) => Some((name, text)),
                Err(message) => {
                    let problem = Problem {
                        origin: Some(Origin::File(name)),
                        key: String::new(),
                        message,
                    };
                    return Err(config::Error {
                        problems: vec![problem],
                    });
                }
            }
        }
    };
    Ok(Sources {
        file,
        env,
        data_dir: arguments.data_dir.clone(),
        detect: config::detect,
    })
}

/// The text of the configuration file, or why it is unreadable.
fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if matches!(bytes.get(..2), Some([0xfe, 0xff] | [0xff, 0xfe])) {
        return Err("is UTF-16: save the file as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line}: is not UTF-8: save the file as UTF-8")
    })
}

/// The exit code for a bad command line or configuration: `EX_USAGE` of sysexits.
pub(crate) const BAD_USAGE: u8 = 64;

/// Whether the environment turns colours off even on a terminal: `NO_COLOR` is set and not empty (<https://no-color.org>).
pub(crate) fn is_plain(env: &BTreeMap<String, String>) -> bool {
    env.get("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Prints clap's message: help and version on standard output with success, a mistake on standard error with `code`.
pub(crate) fn explain(error: &clap::Error, code: u8) -> ExitCode {
    let printed = unless_closed(error.print());
    if error.use_stderr() {
        return code.into();
    }
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("standard output: {error}"), 1),
    }
}

/// Writes to standard output.
pub(crate) fn write_out(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    unless_closed(out.write_all(text).and_then(|()| out.flush()))
}

/// The result of a write, without the error that the reader of the pipe has closed it, which is not a failure.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints the reason why the process ends on standard error, without the log.
pub(crate) fn complain(message: &str, code: u8) -> ExitCode {
    if writeln!(io::stderr(), "error: {message}").is_err() {
        return ExitCode::FAILURE; // standard error is closed
    }
    code.into()
}

/// Raises the limit on open files to the system's maximum, and returns the limit; `None` for no limit. Each agent has a connection,
/// and each connection is an open file. Java raises the limit at its start too, so operators of SkyWalking expect this.
pub(crate) fn allow_open_files() -> Option<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            debug!(%error, "the limit on open files could not be raised");
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    info!(limit, "open files");
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
