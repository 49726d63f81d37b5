//! What the process gets from the system it runs on: environment, files, limits.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use rollcall_collector::config::{self, Origin, Problem, Sources};
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{debug, info};

use crate::cli::Arguments;

/// The environment; variables that are not UTF-8 are nobody's here.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let pairs = std::env::vars_os();
    pairs
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Everything a configuration is made of.
///
/// # Errors
/// The file that was named cannot be read.
pub(crate) fn sources(
    arguments: &Arguments,
    env: BTreeMap<String, String>,
) -> Result<Sources, config::Error> {
    let file = match &arguments.config {
        None => None,
        Some(path) => {
            let name = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => Some((name, text)),
                Err(error) => {
                    let message = format!("cannot be read: {error}");
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

/// Says what clap has to say: help and version on standard output with success, a mistake on standard error with `code`.
pub(crate) fn explain(error: &clap::Error, code: u8) -> ExitCode {
    let said = error.print();
    if said.is_ok() && !error.use_stderr() {
        ExitCode::SUCCESS
    } else {
        code.into()
    }
}

/// Says why the process ends before there is a log.
pub(crate) fn complain(message: &str, code: u8) -> ExitCode {
    if writeln!(std::io::stderr(), "error: {message}").is_err() {
        return ExitCode::FAILURE; // nobody to say it to
    }
    code.into()
}

/// Raises the limit on open files to what the system allows: each agent is a connection, and each connection a file. Java
/// does the same when it starts, so operators of SkyWalking expect it.
pub(crate) fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            debug!(%error, "the limit on open files stays as it is");
        }
    }
    info!(limit = getrlimit(Resource::Nofile).current, "open files");
}
