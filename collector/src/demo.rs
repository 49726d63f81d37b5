//! `demo`: a collector and sample applications on one machine, for a first try.
//!
//! Each application is a separate process, so that a user can kill one and watch the collector report it silent and then down. Each
//! process is this program with a hidden argument. So this file, and no other file of the binary, uses the agent library. The demo
//! uses terms of seconds unless the environment sets others, and never a shared store or a cluster.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{ExitCode, Stdio},
    thread,
    time::Duration,
};

use rollcall_agent::{Agent, ApplicationId, InstanceId, Phase, SpanType, Status};
use rollcall_collector::{app::Addresses, config::Liveness};
use rollcall_secret::Secret;
use tokio::process::{Child, Command};
use tracing::{debug, info, warn};

/// The samples: the code of the application, and the name of the instance.
const SAMPLES: [(&str, &str); 4] = [
    ("orders", "orders-1"),
    ("orders", "orders-2"),
    ("payments", "payments-1"),
    ("stock", "stock-1"),
];
/// Terms that a user can wait for. A sample beats ten times within the shortest.
const TERMS: [(&str, &str); 3] = [
    ("SW_LIVENESS_SILENT_AFTER", "10s"),
    ("SW_LIVENESS_DOWN_AFTER", "20s"),
    ("SW_LIVENESS_RESTART_SPREAD", "1s"),
];
/// Interval of a sample's heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit for a sample to end after the request.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval between two requests that a sample pretends to serve.
const REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// Adapts the environment. The demo is one collector with a store of its own, whatever the variables of the machine set. Its terms
/// are short unless a file or a variable sets them.
pub(crate) fn prepare(env: &mut BTreeMap<String, String>, has_file: bool) {
    for (variable, provider) in [("SW_STORAGE", "embedded"), ("SW_CLUSTER", "standalone")] {
        env.insert(variable.to_owned(), provider.to_owned());
    }
    let is_unset = |(variable, _): &(&str, &str)| env.get(*variable).is_none_or(String::is_empty);
    if !has_file && TERMS.iter().all(is_unset) {
        let terms = TERMS.map(|(variable, term)| (variable.to_owned(), term.to_owned()));
        env.extend(terms);
    }
}

/// The address at which this machine reaches a listener: its own address, or loopback if it listens on a wildcard.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The running samples. They end when this is dropped, and when this process ends.
#[derive(Debug)]
pub(crate) struct Samples {
    children: Vec<(&'static str, Child)>,
}

impl Samples {
    /// Starts the samples. They find the collector through its naming listener and send the token that it requires.
    ///
    /// # Errors
    /// The system could not start this program again.
    pub(crate) fn start(addresses: &Addresses, token: &Secret) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let naming = reachable(addresses.naming).to_string();
        let start = |(code, name)| -> io::Result<_> {
            let mut command = Command::new(&program);
            // The sample's own log lines report the work of its agent.
            command.args([
                "--log-level",
                "info,rollcall_agent=warn",
                "sample",
                code,
                name,
                &naming,
            ]);
            // A sample ends when its input ends, which also happens when this process is killed.
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .kill_on_drop(true);
            if !token.expose().is_empty() {
                command.env("SW_AGENT_AUTHENTICATION", token.expose());
            }
            // Ctrl-C must reach only this process, which then stops the samples.
            command.process_group(0);
            let child = command.spawn()?;
            info!(instance = name, pid = child.id(), "sample started");
            Ok((name, child))
        };
        let children = SAMPLES.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Self { children })
    }

    /// Ends every sample and waits for it.
    pub(crate) async fn stop(self) {
        for (name, mut child) in self.children {
            drop(child.stdin.take());
            match tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
                Ok(Ok(status)) => info!(instance = name, %status, "sample ended"),
                Ok(Err(error)) => warn!(instance = name, %error, "sample lost"),
                Err(_elapsed) => warn!(instance = name, "sample did not end in time, killing it"),
            }
        }
    }
}

/// The welcome text: the addresses, what to try, and how long that takes.
pub(crate) fn welcome(addresses: &Addresses, liveness: &Liveness) -> String {
    let Addresses {
        naming,
        agent_grpc,
        ui,
        ..
    } = *addresses;
    let [naming, agent_grpc, ui] = [naming, agent_grpc, ui].map(reachable);
    let [silent, down] = [liveness.silent_after, liveness.down_after].map(|term| term.as_secs());
    format!(
        "\n  Rollcall is running, with {} samples.\n\n  \
         all instances     http://{ui}/api/applications\n  \
         live events       http://{ui}/api/events\n  \
         console           http://{ui}/\n  \
         agents call       http://{naming}/agent/gRPC   (and register at {agent_grpc})\n\n  \
         Kill a sample by its pid, which the log below shows. The collector reports it silent after {silent} s\n  \
         and down after {down} s. Ctrl-C stops everything.\n",
        SAMPLES.len(),
    )
}

/// Runs a sample application until its standard input ends.
pub(crate) fn sample(code: &str, name: &str, naming: &str) -> ExitCode {
    let started = Agent::builder(code)
        .instance_uuid(name)
        .collectors([naming])
        .register_interval(HEARTBEAT_INTERVAL)
        .heartbeat_after(HEARTBEAT_INTERVAL)
        .start();
    let Ok(agent) = started.inspect_err(|error| warn!(%error, "sample cannot start")) else {
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
        warn!(%error, "sample cannot start");
        return ExitCode::FAILURE;
    }
    let mut phase = Phase::Unregistered;
    while phase != Phase::Stopped {
        match changes.wait(REQUEST_INTERVAL) {
            Some(status) if status.phase != phase => {
                report(name, &status);
                phase = status.phase;
            }
            Some(_) => {}
            None => serve(&agent),
        }
    }
    ExitCode::SUCCESS
}

/// Simulates one request. An application requests ids from its agent and never waits for them.
fn serve(agent: &Agent) {
    let operation = agent.operation("GET /", SpanType::Entry);
    let database = agent.address("db.example:3306");
    debug!(?operation, ?database, "served a request");
}

fn report(name: &str, status: &Status) {
    info!(
        instance = name,
        phase = ?status.phase,
        application.id = status.application_id.map(ApplicationId::get),
        instance.id = status.instance_id.map(InstanceId::get),
        collector = status.collector,
        "sample",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_use_the_address_of_the_listener_or_loopback_for_a_wildcard() {
        for (listener, expected) in [
            ("10.0.0.7:1", "10.0.0.7:1"),
            ("0.0.0.0:2", "127.0.0.1:2"),
            ("[::]:3", "[::1]:3"),
        ] {
            let found = reachable(listener.parse().unwrap());
            assert_eq!(found.to_string(), expected);
        }
    }
}
