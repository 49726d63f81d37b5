//! An application with `rollcall-agent`, for the conformance scenarios: `observed-application CODE NAMING[,NAMING]`.
//!
//! The program uses the line protocol of `rollcall_tests::application`, like its counterparts in other languages, and ends when its
//! standard input ends. It serves no traffic, so only the agent's heartbeats keep the instance up.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rollcall_agent::{Agent, SpanType};

/// The shortest interval that the Java agent allows.
const INTERVAL: Duration = Duration::from_secs(1);

/// The longest time for the stop of the agent on a busy machine.
const STOP: Duration = Duration::from_secs(30);

/// The interval at which the program checks for changes to report.
const PERIOD: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    let [code, naming] = arguments.as_slice() else {
        return Err("usage: observed-application CODE NAMING".into());
    };
    let agent = Agent::builder(code)
        .collectors(naming.split(','))
        .discovery_interval(INTERVAL)
        .channel_interval(INTERVAL)
        .register_interval(INTERVAL)
        .heartbeat_after(INTERVAL)
        .start()?;

    println!("started");

    let (sender, commands) = mpsc::channel();
    thread::spawn(move || {
        io::stdin()
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let mut reporter = Reporter::default();
    loop {
        match commands.recv_timeout(PERIOD) {
            Ok(command) => reporter.watch(&command)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        reporter.report(&agent);
    }
    Ok(agent.shutdown(STOP)?)
}

/// Prints changes since the last report.
#[derive(Default)]
struct Reporter {
    operations: BTreeSet<String>,
    peers: BTreeSet<String>,
    reported: BTreeMap<String, i32>,
}

impl Reporter {
    /// Executes `call OPERATION PEER`.
    fn watch(&mut self, command: &str) -> Result<(), String> {
        let words = command.split(' ').collect::<Vec<_>>();
        let ["call", operation, peer] = words[..] else {
            return Err(format!("unknown command: {command}"));
        };
        self.operations.insert(operation.to_owned());
        self.peers.insert(peer.to_owned());
        Ok(())
    }

    fn report(&mut self, agent: &Agent) {
        let status = agent.status();
        let mut known = BTreeMap::new();
        known.insert(
            "application".to_owned(),
            status.application_id.map(|id| id.get()),
        );
        known.insert("instance".to_owned(), status.instance_id.map(|id| id.get()));
        for name in &self.operations {
            let id = |span| agent.operation(name, span).map(|id| id.get());
            known.insert(format!("entry {name}"), id(SpanType::Entry));
            known.insert(format!("exit {name}"), id(SpanType::Exit));
        }
        for peer in &self.peers {
            known.insert(
                format!("address {peer}"),
                agent.address(peer).map(|id| id.get()),
            );
        }
        for (what, id) in known.into_iter().filter_map(|(what, id)| Some((what, id?))) {
            if self.reported.insert(what.clone(), id) != Some(id) {
                println!("report {what} {id}");
            }
        }
    }
}
