//! `demo`: a collector and sample applications on one machine, to look at and to play with.
//!
//! The applications are processes of their own, so that one can be killed and seen to fall silent. They are this very
//! program with a hidden argument; that is why the binary, and only this file of it, uses the agent library.

use std::{
    io,
    process::{ExitCode, Stdio},
    thread,
    time::Duration,
};

use rollcall_agent::{Agent, ApplicationId, InstanceId, Phase, SpanType, Status};
use rollcall_collector::{app::Addresses, config::Secret};
use tokio::process::{Child, Command};
use tracing::{debug, info, warn};

/// The sample applications; the first has two instances.
const APPLICATIONS: [&str; 4] = ["orders", "orders", "payments", "stock"];
/// How long a sample may take to end once it is told to.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two requests that a sample pretends to serve.
const REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// The running samples. They end when this is dropped, or this process dies.
#[derive(Debug)]
pub(crate) struct Samples {
    children: Vec<(&'static str, Child)>,
}

impl Samples {
    /// Starts them, to find the collector at its naming listener. They send the token that it asks for.
    ///
    /// # Errors
    /// This program could not be started once more.
    pub(crate) fn start(addresses: &Addresses, token: &Secret) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let naming = format!("127.0.0.1:{}", addresses.naming.port());
        let start = |code| -> io::Result<_> {
            let mut command = Command::new(&program);
            // What the agent does is told by what the sample reports.
            command.args([
                "--log-level",
                "info,rollcall_agent=warn",
                "sample",
                code,
                &naming,
            ]);
            // A sample ends when it can read no more: also if this process is killed.
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .kill_on_drop(true);
            if !token.expose().is_empty() {
                command.env("SW_AGENT_AUTHENTICATION", token.expose());
            }
            // Ctrl-C is for this process, which then ends them.
            command.process_group(0);
            let child = command.spawn()?;
            info!(
                application = code,
                pid = child.id(),
                "sample application started"
            );
            Ok((code, child))
        };
        let children = APPLICATIONS
            .into_iter()
            .map(start)
            .collect::<io::Result<_>>()?;
        Ok(Self { children })
    }

    /// Ends them and waits until they are gone.
    pub(crate) async fn stop(self) {
        for (code, mut child) in self.children {
            drop(child.stdin.take());
            match tokio::time::timeout(PATIENCE, child.wait()).await {
                Ok(Ok(status)) => info!(application = code, %status, "sample application ended"),
                Ok(Err(error)) => warn!(application = code, %error, "sample application lost"),
                Err(_elapsed) => warn!(
                    application = code,
                    "sample application did not end, and is killed"
                ),
            }
        }
    }
}

/// What to look at, for people.
pub(crate) fn welcome(addresses: &Addresses) -> String {
    let Addresses {
        naming,
        agent_grpc,
        ui,
        ..
    } = addresses;
    format!(
        "\n  Rollcall is running, with {} sample processes.\n\n  \
         who is there      http://{ui}/api/applications\n  \
         what happens      http://{ui}/api/events\n  \
         everything else   http://{ui}/\n  \
         agents ask        http://{naming}/agent/gRPC   (and register at {agent_grpc})\n\n  \
         Kill a sample (its pid is below) and see it fall silent. Ctrl-C stops everything.\n",
        APPLICATIONS.len(),
    )
}

/// Is a sample application until its standard input ends.
pub(crate) fn sample(code: &str, naming: &str) -> ExitCode {
    let started = Agent::builder(code).collectors([naming]).start();
    let Ok(agent) = started.inspect_err(|error| warn!(%error, "sample application cannot start"))
    else {
        return ExitCode::FAILURE;
    };
    let mut changes = agent.subscribe();
    let stopped = agent.clone();
    let watch_input = thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            if let Err(error) = io::copy(&mut io::stdin(), &mut io::sink()) {
                warn!(%error, "standard input failed");
            }
            stopped.stop();
        });
    if let Err(error) = watch_input {
        warn!(%error, "sample application cannot start");
        return ExitCode::FAILURE;
    }
    let mut phase = Phase::Unregistered;
    while phase != Phase::Stopped {
        match changes.wait(REQUEST_INTERVAL) {
            Some(status) if status.phase != phase => {
                report(code, &status);
                phase = status.phase;
            }
            Some(_) => {}
            None => serve(&agent),
        }
    }
    ExitCode::SUCCESS
}

/// What an application does with its agent for each request: it asks for ids and never waits for them.
fn serve(agent: &Agent) {
    let operation = agent.operation("GET /", SpanType::Entry);
    let database = agent.address("db.example:3306");
    debug!(?operation, ?database, "served a request");
}

fn report(code: &str, status: &Status) {
    info!(
        application = code,
        phase = ?status.phase,
        application.id = status.application_id.map(ApplicationId::get),
        instance.id = status.instance_id.map(InstanceId::get),
        collector = status.collector,
        "sample application",
    );
}
