//! The status of an agent, and notifications of its changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    ApplicationId, Counts, InstanceId, Phase, clock::Clock, config::Config, park, phase::Command,
    shared::Shared,
};

/// A snapshot of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The progress of the registration of this process.
    pub phase: Phase,
    /// The connected collector, as `host:port`; `None` without a connection.
    pub collector: Option<String>,
    /// The collectors of the last usable list, sorted; [direct collectors](crate::Builder::direct_collectors) in the order of
    /// the setting.
    pub members: Vec<String>,
    /// The application's id. It stays while the connection is lost.
    pub application_id: Option<ApplicationId>,
    /// This process's id. It stays while the connection is lost.
    pub instance_id: Option<InstanceId>,
    /// The name that the application is registered under: its [code](crate::Agent::builder), with [namespace and
    /// cluster](crate::Builder::namespace) if they are set.
    pub application_code: String,
    /// The UUID or name that this process is registered under. It never changes while the agent runs.
    pub instance_uuid: String,
    /// The wall-clock time at which a collector last acknowledged a heartbeat.
    pub last_heartbeat: Option<SystemTime>,
    /// The last error. It stays in the status after the agent has recovered.
    pub last_error: Option<LastError>,
    /// How long the background loop has not run, if that is longer than two of its periods: the loop is stuck, or the process
    /// is not scheduled.
    pub stalled_for: Option<Duration>,
    /// The counters since the start.
    pub counts: Counts,
}

/// The last error of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// The wall-clock time of the error.
    pub at: SystemTime,
    /// The activity that failed.
    pub activity: Activity,
    /// A readable description.
    pub message: String,
}

/// The activities of an agent that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// Requesting the collectors from naming servers.
    Discovery,
    /// Connecting to a collector, or keeping the connection.
    Connection,
    /// Registering or recovering the application and the instance.
    Registration,
    /// Sending a heartbeat.
    Heartbeat,
    /// Requesting ids of operations and addresses.
    Dictionary,
    /// Running the background loop: it panicked or could not be started.
    Loop,
}

impl Activity {
    pub(crate) const fn of(command: Command) -> Self {
        match command {
            Command::RegisterApplication
            | Command::RegisterInstance { .. }
            | Command::Recover { .. } => Self::Registration,
            Command::Heartbeat { .. } => Self::Heartbeat,
            Command::Synchronise { .. } => Self::Dictionary,
        }
    }
}

impl Status {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            phase: Phase::Unregistered,
            collector: None,
            members: Vec::new(),
            application_id: None,
            instance_id: None,
            application_code: config.application_code.clone(),
            instance_uuid: config.instance_uuid.clone(),
            last_heartbeat: None,
            last_error: None,
            stalled_for: None,
            counts: Counts::default(),
        }
    }
}

/// Notifications of changes: of the phase, the collector, the list of collectors, the ids, the last heartbeat, the last
/// error. [`Status::counts`] and [`Status::stalled_for`] alone do not notify.
///
/// Only the newest status is kept: a slow reader misses intermediate statuses and does not delay the agent. A reader does not keep
/// the agent running: the agent stops when its last [handle](crate::Agent) is dropped.
#[derive(Clone, Debug)]
pub struct Changes {
    shared: Arc<Shared>,
    receiver: watch::Receiver<Status>,
    /// Set in a forked child once this reader has returned the stopped status.
    has_seen_stop: bool,
}

impl Changes {
    pub(crate) fn new(shared: Arc<Shared>, receiver: watch::Receiver<Status>) -> Self {
        Self {
            shared,
            receiver,
            has_seen_stop: false,
        }
    }

    /// Waits for the next status that this reader has not seen. `None` once the reader has seen that the agent stopped.
    ///
    /// Works in any runtime, and may be dropped and called again without losing a change.
    pub async fn changed(&mut self) -> Option<Status> {
        if self.shared.home.is_in_child() {
            let seen = std::mem::replace(&mut self.has_seen_stop, true);
            return (!seen).then(|| self.shared.status());
        }
        let stopped = self.receiver.borrow().phase == Phase::Stopped;
        if stopped && !self.receiver.has_changed().unwrap_or(false) {
            return None;
        }
        self.receiver.changed().await.ok()?;
        let status = self.receiver.borrow_and_update().clone();
        Some(self.shared.complete(status))
    }

    /// As [`changed`](Self::changed), for threads outside of a runtime: blocks the thread, for at most `timeout`.
    ///
    /// `None` at the timeout, or if `changed` returns `None`.
    pub fn wait(&mut self, timeout: Duration) -> Option<Status> {
        park::wait(self.changed(), timeout).flatten()
    }

    /// Blocks the thread until `accepts` returns `true` for the current status or a later one, for at most `timeout`.
    ///
    /// Returns the accepted status.
    ///
    /// # Errors
    ///
    /// The last status seen, at the timeout or if the agent stopped first.
    #[expect(
        clippy::result_large_err,
        reason = "the caller uses the status in both cases"
    )]
    pub fn wait_for(
        &mut self,
        timeout: Duration,
        mut accepts: impl FnMut(&Status) -> bool,
    ) -> Result<Status, Status> {
        if self.shared.home.is_in_child() {
            let status = self.shared.status();
            return if accepts(&status) {
                Ok(status)
            } else {
                Err(status)
            };
        }
        let clock = Clock::start();
        let mut status = self.receiver.borrow_and_update().clone();
        loop {
            status = self.shared.complete(status);
            if accepts(&status) {
                return Ok(status);
            }
            match self.wait(timeout.saturating_sub(clock.now())) {
                Some(next) => status = next,
                None => return Err(status),
            }
        }
    }
}
