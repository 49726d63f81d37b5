//! The collector's binary. It only sequences the steps: arguments, configuration, log, build, spawn, signals, drain.
//!
//! Exit codes: 0 after a clean stop, 64 for a bad configuration or command line, 1 for a failure; those of `store` are in
//! [`store`], those of the commands that query a running collector in [`inspect`].

mod cli;
mod demo;
mod inspect;
mod log;
mod manual;
mod notify;
mod signals;
mod store;
mod system;
mod users;

use std::collections::BTreeMap;
use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use rollcall_collector::app::{self, Addresses, Process, Running};
use rollcall_collector::config::{self, Config, Liveness, Loaded};
use rollcall_collector::preflight;
use rollcall_metrics::LostLines;
use rollcall_secret::Secret;
use tracing::{error, info, warn};

use crate::cli::{Arguments, Command, NacosCommand, StoreCommand};
use crate::demo::Samples;
use crate::inspect::Question;
use crate::notify::Supervisor;
use crate::signals::{Detail, Hangup, Stop};
use crate::system::environment;

const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => return system::explain(&error, system::BAD_USAGE),
    };
    let mut env = environment();
    if matches!(arguments.command, Some(Command::Demo)) {
        demo::prepare(&mut env, arguments.config.is_some());
    }
    // The configuration is read first, because it sets the format of the log. Its mistakes are logged afterwards.
    let loaded = needs_configuration(&arguments)
        .then(|| system::sources(&arguments, env.clone()).and_then(config::load));
    let configured = loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let configured = configured.map(|loaded| &loaded.config.log);
    let lost_lines = LostLines::default();
    // Dropped last, so that every line has been written when the process ends.
    let (_log, level) = match log::init(&arguments, &env, configured, lost_lines.clone()) {
        Ok(log) => log,
        Err(error) => {
            let code = match error {
                log::Error::Filter { .. } | log::Error::Parse(_) => system::BAD_USAGE,
                log::Error::Thread(_) => FAILURE,
            };
            return system::complain(&error.to_string(), code);
        }
    };
    match loaded {
        None => run_without_configuration(&arguments, env),
        Some(Ok(loaded)) => {
            let host = Host {
                lost_lines,
                level,
                supervisor: Supervisor::of(&env),
            };
            run_configured(&arguments, loaded, host)
        }
        Some(Err(config::Error { problems })) => {
            problems.iter().for_each(|problem| error!("{problem}"));
            system::BAD_USAGE.into()
        }
    }
}

/// Whether the command runs a collector, checks one, or works on its store.
fn needs_configuration(arguments: &Arguments) -> bool {
    matches!(
        arguments.command,
        None | Some(Command::Demo | Command::Store(StoreCommand::Maintain(_)))
    )
}

/// Runs a command that needs no configuration, or that can run without one.
fn run_without_configuration(arguments: &Arguments, env: BTreeMap<String, String>) -> ExitCode {
    match &arguments.command {
        Some(Command::Sample { code, name, naming }) => demo::sample(code, name, naming),
        Some(Command::Nacos(NacosCommand::HashPassword)) => users::hash_password(),
        Some(Command::Roster(roster)) => inspect::run(Question::Roster(roster), arguments, env),
        Some(Command::Members(target)) => inspect::run(Question::Members(target), arguments, env),
        Some(Command::Watch(watch)) => inspect::run(Question::Watch(watch), arguments, env),
        Some(Command::Why(why)) => inspect::run(Question::Why(why), arguments, env),
        Some(Command::Store(StoreCommand::Backup(backup))) => {
            inspect::run(Question::Backup(backup), arguments, env)
        }
        Some(Command::Man) => manual::print_page(),
        Some(Command::Completions { shell }) => manual::print_completions(*shell),
        None | Some(Command::Demo | Command::Store(StoreCommand::Maintain(_))) => {
            system::BAD_USAGE.into()
        }
    }
}

fn run_configured(arguments: &Arguments, loaded: Loaded, host: Host) -> ExitCode {
    if let Some(Command::Store(StoreCommand::Maintain(command))) = &arguments.command {
        return store::run(command, &loaded.config);
    }
    warn_of(&loaded);
    let done = if arguments.print_config {
        print(&loaded.config.to_yaml())
    } else if arguments.check {
        let problems = preflight::check(&loaded);
        if !problems.is_empty() {
            problems.iter().for_each(|problem| error!("{problem}"));
            return system::BAD_USAGE.into();
        }
        info!("the configuration is valid");
        Ok(())
    } else if matches!(arguments.command, Some(Command::Demo)) {
        demonstrate(loaded.config, arguments.data_dir.is_some(), host)
    } else {
        collect(loaded.config, Show::Nothing, host)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Warns about settings that Rollcall does not use, and about settings that are rarely intended.
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
    if !loaded.without_secret.is_empty() {
        warn!(
            keys = loaded.without_secret.join(", "),
            "keys of the configuration file that hold a secret have no value, so none is set: put a text that begins with # or & in \
             quotes, and write \"\" for no secret"
        );
    }
    for advice in config::advice(&loaded.config) {
        warn!("{advice}");
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    system::write_out(text.as_bytes()).context("write to standard output")
}

/// The host environment of a running collector: its log and its supervisor.
struct Host {
    lost_lines: LostLines,
    level: log::Level,
    supervisor: Supervisor,
}

/// Whether sample applications run next to the collector.
#[derive(Clone, Copy)]
enum Show {
    Nothing,
    Samples,
}

/// Runs the demo, on a temporary store unless the command line names one.
fn demonstrate(mut config: Config, has_store: bool, host: Host) -> anyhow::Result<()> {
    if has_store {
        return collect(config, Show::Samples, host);
    }
    let temporary = tempfile::tempdir().context("make a temporary directory for the store")?;
    temporary
        .path()
        .clone_into(&mut config.storage.embedded.path);
    // The journal is beside the store, and never in a directory that another collector uses.
    config.timeline.journal_path.clear();
    collect(config, Show::Samples, host)?;
    temporary.close().context("remove the temporary store")
}

fn collect(config: Config, show: Show, host: Host) -> anyhow::Result<()> {
    let has_tls = config.tls.enabled;
    let process = Process {
        lost_lines: host.lost_lines,
        open_files: system::allow_open_files(),
        reload: Arc::default(),
    };
    let reload = Arc::clone(&process.reload);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let done = runtime.block_on(async {
        // Signals are handled before the store is read, because a process with the id 1 (in a container) ignores signals that it
        // does not handle.
        let stop = match show {
            Show::Nothing => Stop::listen(),
            Show::Samples => Stop::listen_with_hangup(),
        };
        let stop = stop.context("listen for signals")?;
        let detail = Detail::listen().context("listen for signals")?;
        signals::outlive_file_size_limit().context("listen for signals")?;
        let hangup = async {
            match show {
                Show::Samples => pending().await, // SIGHUP stops the demo
                Show::Nothing => {
                    let hangup = Hangup::listen().context("listen for signals")?;
                    match hangup.reload(reload, has_tls).await {}
                }
            }
        };
        tokio::select! {
            done = start(config, show, process, stop, &host.supervisor) => done,
            never = detail.apply(host.level) => match never {},
            never = host.supervisor.keep_alive() => match never {},
            failed = hangup => failed,
        }
    });
    // Tasks and threads that have not ended by now must not delay the exit. The runtime is leaked and not shut down, because a
    // thread that is still opening the store and waits for a timer would panic.
    std::mem::forget(runtime);
    done
}

async fn start(
    config: Config,
    show: Show,
    process: Process,
    mut stop: Stop,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    let token = config.agent_grpc.authentication.clone();
    let liveness = config.liveness.clone();
    let app = tokio::select! {
        app = app::build(config, process) => app?,
        name = stop.signal() => {
            // No agent has received an id yet, so there is nothing to drain.
            info!(signal = name, "stopped before the store was read");
            return Ok(());
        }
    };
    let addresses = app.addresses();
    let running = app.spawn()?;
    announce(&addresses);
    let samples = match show {
        Show::Nothing => None,
        Show::Samples => Some(demonstration(&addresses, &liveness, &token)?),
    };
    run(running, samples, stop, supervisor).await
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

/// Runs until a signal or a failure, then drains. A later signal ends the drain at once.
async fn run(
    running: Running,
    samples: Option<Samples>,
    mut stop: Stop,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    tokio::select! {
        name = stop.signal() => info!(signal = name, "stopping"),
        failure = running.failed() => error!(task = failure.task(), "stopping after a failure"),
        never = supervisor.ready() => match never {},
    }
    supervisor.stopping();
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
