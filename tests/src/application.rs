//! Applications as real processes, each observed by an [`agent`](crate::agent).
//!
//! In every language, the program prints `started` on standard output once its agent runs, and accepts `call OPERATION PEER` on
//! standard input. If the agent can be queried, the program also prints the agent's ids, one line per change:
//! `report application ID`, `report instance ID`, `report entry NAME ID`, `report exit NAME ID`, `report address PEER ID`.

use std::{fs, process::ExitStatus, time::Duration};

use tempfile::TempDir;

use rustix::process::Signal;

use crate::process::Child;

/// The longest time until an application has started or stopped. A JVM takes some seconds on a busy machine, and a dozen JVMs start
/// together.
const START: Duration = Duration::from_secs(60);

/// Texts that mark an error line in the log of an agent. The last one is a warning, because `rollcall-agent` logs no errors.
const ERRORS: [&str; 8] = [
    "ERROR",
    "CRITICAL",
    "FATAL",
    "Exception",
    "Traceback",
    "level: 'error'",
    "panicked",
    "WARN rollcall_agent",
];

/// A running application. Dropping this value kills the process.
#[derive(Debug)]
pub struct Application {
    child: Child,
    home: TempDir,
}

impl Application {
    /// Takes over the process and its current directory, which is deleted with this value.
    pub(crate) fn new(child: Child, home: TempDir) -> Self {
        Self { child, home }
    }

    /// Waits until the application has started.
    ///
    /// # Errors
    /// The application's output, if it does not start.
    pub async fn started(&self) -> Result<(), String> {
        let line = |lines: &[String]| lines.iter().any(|line| line == "started").then_some(());
        let found = self.child.stdout.find(START, line).await;
        found.map_err(|_| format!("the application did not start: {:#?}", self.log()))
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Serves one request named `operation` that calls `peer` once: a trace segment, two operation names, one address.
    ///
    /// # Panics
    /// When the application has ended.
    pub fn call(&mut self, operation: &str, peer: &str) {
        self.child.write_line(&format!("call {operation} {peer}"));
    }

    /// Waits until the agent knows the id of `what`, and returns the newest id.
    ///
    /// # Errors
    /// When the agent does not know the id `within` this time.
    pub async fn id(&self, what: &str, within: Duration) -> Result<i32, String> {
        let newest = |lines: &[String]| ids(lines, what).pop();
        let found = self.child.stdout.find(within, newest).await;
        found.map_err(|_| format!("the agent has no id for {what}"))
    }

    /// All ids that the agent has held for `what`, in order.
    pub fn ids(&self, what: &str) -> Vec<i32> {
        ids(&self.child.stdout.so_far(), what)
    }

    /// The output of the application and its agent: both streams and every log file.
    pub fn log(&self) -> Vec<String> {
        let mut lines = self.child.stdout.so_far();
        lines.extend(self.child.stderr.so_far());
        for entry in fs::read_dir(self.home.path()).expect("the application's directory") {
            let path = entry.expect("the application's directory").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = fs::read(path).expect("a readable log");
                lines.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
            }
        }
        lines
    }

    /// The error lines of its log.
    pub fn errors(&self) -> Vec<String> {
        let mut lines = self.log();
        lines.retain(|line| ERRORS.iter().any(|mark| line.contains(mark)));
        lines
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Closes the application's standard input. The application then stops as planned, and its agent announces the stop.
    ///
    /// # Panics
    /// When the application does not end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.child.close_input();
        self.child.exit(START).await
    }

    /// Kills the process (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

fn ids(lines: &[String], what: &str) -> Vec<i32> {
    let report = format!("report {what} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&report)?.parse().ok())
        .collect()
}
