//! Applications that are observed by an agent: real processes of the generations that Rollcall serves.
//!
//! Whatever its language, such a program takes `call OPERATION PEER` on standard input and says on standard output what its
//! agent has learnt, one line per change: `report application ID`, `report instance ID`,
//! `report entry NAME ID`, `report exit NAME ID`, `report address PEER ID`.

mod java;

use std::{net::SocketAddr, process::Command, time::Duration};

use tempfile::TempDir;

use crate::process::Child;

/// An agent takes a few ticks of its loops, and a Java machine some seconds to start on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The agent that observes an application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Agent {
    /// The unmodified SkyWalking Java agent core 5.0.0-GA.
    Java5,
    /// `rollcall-agent`, in this program, which is given by its path: `env!("CARGO_BIN_EXE_observed-application")`, which cargo
    /// tells integration tests alone.
    Rust(&'static str),
}

impl Agent {
    /// Starts an application of this code, which finds its collectors through these naming servers.
    ///
    /// The agent's periods are as short as it allows: one second.
    ///
    /// # Panics
    /// When the program cannot be built or started.
    pub fn start(self, code: &str, naming: &[SocketAddr]) -> Application {
        let home = TempDir::new().expect("a temporary directory");
        let naming = naming
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let mut command = match self {
            Self::Java5 => java::command(home.path(), code, &naming),
            Self::Rust(program) => rust_command(program, code, &naming),
        };
        Application {
            child: Child::spawn(format!("{self:?} application {code}"), &mut command),
            _home: home,
        }
    }
}

/// A running application; dropping it kills it.
#[derive(Debug)]
pub struct Application {
    child: Child,
    _home: TempDir,
}

impl Application {
    /// Serves one request named `operation` that calls `peer` once: a trace segment, two operation names, one address.
    ///
    /// # Panics
    /// When the application has ended.
    pub fn call(&mut self, operation: &str, peer: &str) {
        self.child.write_line(&format!("call {operation} {peer}"));
    }

    /// Waits until the agent knows the id of `what`, and returns the newest.
    ///
    /// # Panics
    /// When it does not within a minute, with everything that the application has written.
    pub async fn id(&self, what: &str) -> i32 {
        let found = self
            .child
            .stdout
            .find(PATIENCE, |lines| ids(lines, what).pop())
            .await;
        found.unwrap_or_else(|lines| {
            panic!("no {what}: {lines:#?} {:#?}", self.child.stderr.so_far())
        })
    }

    /// Every id that the agent has ever held for `what`, in order.
    pub fn ids(&self, what: &str) -> Vec<i32> {
        ids(&self.child.stdout.so_far(), what)
    }

    /// Ends it without a warning (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

fn rust_command(program: &str, code: &str, naming: &str) -> Command {
    let mut command = Command::new(program);
    command.args([code, naming]);
    command
}

fn ids(lines: &[String], what: &str) -> Vec<i32> {
    let report = format!("report {what} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&report)?.parse().ok())
        .collect()
}
