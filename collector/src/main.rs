//! The collector's binary. It only sequences the steps: arguments, log, configuration, build, spawn, signals, drain.
//!
//! Exit codes: 0 after a clean stop, 64 for a bad configuration or command line, 1 for a failure; those of `store` are in
//! [`store`].

mod cli;
mod demo;
mod log;
mod signals;
mod store;
mod system;
mod users;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rollcall_collector::app::{self, Addresses, Process, Running};
use rollcall_collector::config::{self, Config, Liveness, Loaded};
use rollcall_collector::preflight;
use rollcall_metrics::LostLines;
use rollcall_secret::Secret;
use tracing::{error, info, warn};

use crate::cli::{Arguments, Command, NacosCommand};
use crate::demo::Samples;
use crate::signals::{Hangup, Stop};
use crate::system::environment;

/// `EX_USAGE` of sysexits.
const BAD_CONFIGURATION: u8 = 64;
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return system::explain(&error, BAD_CONFIGURATION),
    };
    let mut env = environment();
    if matches!(arguments.command, Some(Command::Demo)) && arguments.config.is_none() {
        demo::use_short_terms(&mut env);
    }
    let lost_lines = LostLines::default();
    // Dropped last, so that every line has been written when the process ends.
    let _log = match start_log(&arguments, &env, &lost_lines) {
        Ok(log) => log,
        Err(error) => {
            let code = match error {
                log::Error::Filter(_) => BAD_CONFIGURATION,
                log::Error::Thread(_) => FAILURE,
            };
            return system::complain(&error.to_string(), code);
        }
    };
    if let Some(Command::Sample { code, name, naming }) = &arguments.command {
        return demo::sample(code, name, naming);
    }
    if let Some(Command::Nacos(NacosCommand::HashPassword)) = arguments.command {
        return users::hash_password();
    }
    let loaded = match system::sources(&arguments, env).and_then(config::load) {
        Ok(loaded) => loaded,
        Err(config::Error { problems }) => {
            problems.iter().for_each(|problem| error!("{problem}"));
            return BAD_CONFIGURATION.into();
        }
    };
    if let Some(Command::Store(command)) = &arguments.command {
        return store::run(command, &loaded.config);
    }
    warn_of(&loaded);
    let done = if arguments.print_config {
        print(&loaded.config.to_yaml())
    } else if arguments.check {
        let problems = preflight::check(&loaded);
        if !problems.is_empty() {
            problems.iter().for_each(|problem| error!("{problem}"));
            return BAD_CONFIGURATION.into();
        }
        info!("the configuration is valid");
        Ok(())
    } else if matches!(arguments.command, Some(Command::Demo)) {
        demonstrate(loaded.config, arguments.data_dir.is_some(), lost_lines)
    } else {
        collect(loaded.config, Show::Nothing, lost_lines)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Warns about settings that Rollcall does not use, and about those that are rarely intended.
fn warn_of(loaded: &Loaded) {
    if !loaded.ignored.is_empty() {
        warn!(
            parts = loaded.ignored.join(", "),
            "parts of the configuration file that Rollcall does not use are ignored"
        );
    }
    if !loaded.unknown_variables.is_empty() {
        warn!(
            variables = loaded.unknown_variables.join(", "),
            "unknown variables that begin with SW_ are ignored"
        );
    }
    for advice in config::advice(&loaded.config) {
        warn!("{advice}");
    }
}

fn start_log(
    arguments: &Arguments,
    env: &BTreeMap<String, String>,
    lost: &LostLines,
) -> Result<log::Flush, log::Error> {
    let variable = || env.get("RUST_LOG").filter(|filter| !filter.is_empty());
    let filter = arguments.log_level.as_ref().or_else(variable);
    let is_plain = env.contains_key("NO_COLOR");
    let filter = filter.map(String::as_str);
    log::init(arguments.log_format, filter, is_plain, lost.clone())
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("write to standard output")
}

/// Whether sample applications run next to the collector.
#[derive(Clone, Copy)]
enum Show {
    Nothing,
    Samples,
}

/// Runs the demo, on a temporary store unless the command line names one.
fn demonstrate(mut config: Config, has_store: bool, lost_lines: LostLines) -> anyhow::Result<()> {
    if has_store {
        return collect(config, Show::Samples, lost_lines);
    }
    let temporary = tempfile::tempdir().context("make a temporary directory for the store")?;
    temporary
        .path()
        .clone_into(&mut config.storage.embedded.path);
    collect(config, Show::Samples, lost_lines)?;
    temporary.close().context("remove the temporary store")
}

fn collect(config: Config, show: Show, lost_lines: LostLines) -> anyhow::Result<()> {
    let process = Process {
        lost_lines,
        open_files: system::allow_open_files(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(async {
        match show {
            Show::Samples => start(config, show, process).await,
            Show::Nothing => {
                let hangup = Hangup::listen().context("listen for signals")?;
                tokio::select! {
                    done = start(config, show, process) => done,
                    never = hangup.ignore() => match never {},
                }
            }
        }
    });
    // A task that has not ended by now does not delay the exit.
    runtime.shutdown_background();
    done
}

async fn start(config: Config, show: Show, process: Process) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    let token = config.agent_grpc.authentication.clone();
    let liveness = config.liveness.clone();
    let app = app::build(config, process).await?;
    // From here on a signal drains the collector. Before, it ends the process at once.
    let stop = match show {
        Show::Nothing => Stop::listen(),
        Show::Samples => Stop::listen_with_hangup(),
    };
    let stop = stop.context("listen for signals")?;
    let addresses = app.addresses();
    let running = app.spawn()?;
    announce(&addresses);
    let samples = match show {
        Show::Nothing => None,
        Show::Samples => Some(demonstration(&addresses, &liveness, &token)?),
    };
    run(running, samples, stop).await
}

fn announce(addresses: &Addresses) {
    let Addresses {
        naming,
        remote,
        agent_grpc,
        agent_jetty,
        ui,
        nacos,
    } = addresses;
    for (module, address) in [
        ("naming", naming),
        ("remote", remote),
        ("agent_gRPC", agent_grpc),
        ("agent_jetty", agent_jetty),
        ("ui", ui),
    ] {
        info!(module, %address, "listening");
    }
    if let Some(nacos) = nacos {
        info!(module = "nacos", address = %nacos.http, grpc = %nacos.grpc, "listening");
    }
}

fn demonstration(
    addresses: &Addresses,
    liveness: &Liveness,
    token: &Secret,
) -> anyhow::Result<Samples> {
    print(&demo::welcome(addresses, liveness))?;
    Samples::start(addresses, token).context("start the sample applications")
}

/// Runs until a signal or a failure, then drains. A second signal ends the drain at once.
async fn run(running: Running, samples: Option<Samples>, mut stop: Stop) -> anyhow::Result<()> {
    tokio::select! {
        name = stop.signal() => info!(signal = name, "stopping"),
        failure = running.failed() => error!(task = failure.task(), "stopping after a failure"),
    }
    let drain = async {
        if let Some(samples) = samples {
            samples.stop().await;
        }
        running.drain().await
    };
    let failure = tokio::select! {
        drained = drain => drained.context("stop in time")?,
        name = stop.signal() => anyhow::bail!("{name} again: stopping at once"),
    };
    match failure {
        Some(failure) => Err(failure.into()),
        None => {
            info!("stopped");
            Ok(())
        }
    }
}
