//! Decides the next call to the collector: a state machine without I/O and without a clock.
//!
//! ```text
//! Unregistered --application--> ApplicationKnown --instance--> Running <--recover-- InstanceKnown
//!      ^                                                          |  \--connection lost--^   |
//!      '----------------------- NOT_FOUND ------------------------+--------------------------'
//! ```
//!
//! [`Machine::on`] takes an event and the time, and returns the command to execute now, if any. It never returns a second command
//! before the first has succeeded or failed, so at most one call is in flight. A failed command is repeated at the next tick at the
//! earliest, so no answer can make the agent loop without a pause, as upstream's agents did.

use std::time::Duration;

use crate::{ApplicationId, InstanceId};

/// The progress of the registration at a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Neither the application nor this process has an id yet.
    Unregistered,
    /// The application has an id, but this process does not.
    ApplicationKnown,
    /// The agent has both ids and has not announced them on the current connection, if any.
    InstanceKnown,
    /// The agent has both ids, and the connected collector has confirmed them.
    Running,
    /// The agent was shut down, or this process is a [forked child](crate#forks). Final.
    Stopped,
}

/// An event for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A new connection to a collector is open.
    Connected,
    /// The connection ended, and with it any command in flight.
    Disconnected,
    /// The register period passed.
    Tick {
        /// Whether a segment was finished since the last tick.
        segment_finished: bool,
    },
    /// The collector answered the command.
    Done(Reply),
    /// The command failed.
    Failed(Failure),
}

/// The answer to a command; an id that the collector has not assigned yet is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Application(Option<ApplicationId>),
    Instance(Option<InstanceId>),
    Recovered,
    Heartbeat,
    Synchronised,
}

/// The classes of failure that the machine distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The collector does not know the ids of the request.
    NotFound,
    /// The collector does not implement the call: an older generation.
    Unsupported,
    /// Any other failure that leaves the connection usable.
    Other,
}

/// The next call to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    RegisterApplication,
    RegisterInstance {
        application: ApplicationId,
    },
    /// Announce the ids of this process to a newly connected collector.
    Recover {
        application: ApplicationId,
        instance: InstanceId,
    },
    Heartbeat {
        instance: InstanceId,
    },
    /// Request the ids of queued names and addresses, after `known` is applied to the known ones.
    Synchronise {
        application: ApplicationId,
        known: KnownIds,
    },
}

impl Command {
    /// Whether the command is a registration. A collector that lacks the calls of all other commands can still be used.
    pub(crate) const fn is_registration(self) -> bool {
        matches!(
            self,
            Self::RegisterApplication | Self::RegisterInstance { .. }
        )
    }
}

/// The action for names and addresses that already have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KnownIds {
    /// The ids are valid.
    Keep,
    /// The collector may have lost its store: request the ids again, and use the old ids meanwhile.
    Request,
    /// The ids belonged to another application id: forget them and request them again.
    Forget,
}

/// The state of the connection and of the announcement on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Down,
    /// Connected; the ids are not announced yet.
    Fresh,
    /// Connected; the ids are announced.
    Announced,
}

/// The machine; see the [module](self).
#[derive(Debug)]
pub(crate) struct Machine {
    heartbeat_after: Duration,
    application: Option<ApplicationId>,
    instance: Option<InstanceId>,
    /// The application id under which the operation ids were received.
    learned_under: Option<ApplicationId>,
    line: Line,
    known: KnownIds,
    in_flight: Option<Command>,
    /// The time at which a call last renewed the lease. `None` means that a heartbeat is due at once.
    renewed_at: Option<Duration>,
    segment_at: Option<Duration>,
}

impl Machine {
    /// A machine that continues with the ids of an earlier run of the loop, if that run received any.
    pub(crate) fn new(
        heartbeat_after: Duration,
        application: Option<ApplicationId>,
        instance: Option<InstanceId>,
    ) -> Self {
        Self {
            heartbeat_after,
            application,
            instance,
            learned_under: application,
            line: Line::Down,
            known: KnownIds::Keep,
            in_flight: None,
            renewed_at: None,
            segment_at: None,
        }
    }

    pub(crate) fn application(&self) -> Option<ApplicationId> {
        self.application
    }

    pub(crate) fn instance(&self) -> Option<InstanceId> {
        self.instance
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.application, self.instance, self.line) {
            (None, _, _) => Phase::Unregistered,
            (Some(_), None, _) => Phase::ApplicationKnown,
            (Some(_), Some(_), Line::Announced) => Phase::Running,
            (Some(_), Some(_), Line::Down | Line::Fresh) => Phase::InstanceKnown,
        }
    }

    /// Applies an event that happened at `now`, and returns the command to execute now, if any.
    pub(crate) fn on(&mut self, event: Event, now: Duration) -> Option<Command> {
        let command = match event {
            Event::Connected => {
                self.in_flight = None;
                self.line = Line::Fresh;
                self.known = self.known.max(KnownIds::Request);
                None
            }
            Event::Disconnected => {
                self.in_flight = None;
                self.line = Line::Down;
                None
            }
            Event::Tick { segment_finished } => {
                if segment_finished {
                    self.segment_at = Some(now);
                }
                match self.in_flight {
                    None => self.next(now),
                    Some(_) => return None,
                }
            }
            Event::Done(answer) => {
                let command = self.in_flight.take()?;
                self.done(command, answer, now)
            }
            Event::Failed(failure) => {
                let command = self.in_flight.take()?;
                self.failed(command, failure, now)
            }
        };
        self.in_flight = command;
        command
    }

    /// The next command on the way to [`Phase::Running`], or within that phase.
    fn next(&self, now: Duration) -> Option<Command> {
        if self.line == Line::Down {
            return None;
        }
        let Some(application) = self.application else {
            return Some(Command::RegisterApplication);
        };
        let Some(instance) = self.instance else {
            return Some(Command::RegisterInstance { application });
        };
        Some(match self.line {
            Line::Down | Line::Fresh => Command::Recover {
                application,
                instance,
            },
            Line::Announced if self.heartbeat_due(now) => Command::Heartbeat { instance },
            Line::Announced => self.synchronise(application),
        })
    }

    fn synchronise(&self, application: ApplicationId) -> Command {
        Command::Synchronise {
            application,
            known: self.known,
        }
    }

    /// Upstream's intended rule: a heartbeat is due when the last finished segment is older than `heartbeat_after`, and then once
    /// per `heartbeat_after`. A segment renews the lease only if it reaches the collector, which the agent cannot see, so segments
    /// postpone a heartbeat by at most half of `heartbeat_after`.
    fn heartbeat_due(&self, now: Duration) -> bool {
        let Some(renewed_at) = self.renewed_at else {
            return true;
        };
        let since_renewal = now.saturating_sub(renewed_at);
        let since_segment = self
            .segment_at
            .map_or(since_renewal, |at| now.saturating_sub(at));
        let quiet = since_renewal.min(since_segment) >= self.heartbeat_after;
        quiet || since_renewal >= self.heartbeat_after * 3 / 2
    }

    fn done(&mut self, command: Command, answer: Reply, now: Duration) -> Option<Command> {
        match (command, answer) {
            (Command::RegisterApplication, Reply::Application(Some(application))) => {
                if self
                    .learned_under
                    .is_some_and(|before| before != application)
                {
                    self.known = KnownIds::Forget;
                }
                self.learned_under = Some(application);
                self.application = Some(application);
                self.next(now)
            }
            (Command::RegisterInstance { .. }, Reply::Instance(Some(instance))) => {
                self.instance = Some(instance);
                self.confirmed(Some(now), now)
            }
            (Command::Recover { .. }, Reply::Recovered) => self.confirmed(Some(now), now),
            (Command::Heartbeat { .. }, Reply::Heartbeat) => self.confirmed(Some(now), now),
            (Command::Synchronise { .. }, Reply::Synchronised) => {
                self.known = KnownIds::Keep;
                None
            }
            // Not assigned yet: the next tick repeats the request.
            _ => None,
        }
    }

    fn failed(&mut self, command: Command, failure: Failure, now: Duration) -> Option<Command> {
        match (command, failure) {
            // The collector lost its store: the next tick registers again from the start.
            (Command::RegisterInstance { .. }, Failure::NotFound)
            | (Command::Recover { .. }, Failure::NotFound)
            | (Command::Heartbeat { .. }, Failure::NotFound)
            | (Command::Synchronise { .. }, Failure::NotFound) => {
                self.application = None;
                self.instance = None;
                self.line = Line::Fresh;
                self.known = self.known.max(KnownIds::Request);
                None
            }
            // A 5.x collector has no recover call: a heartbeat announces the instance instead.
            (Command::Recover { .. }, Failure::Unsupported) => self.confirmed(None, now),
            // A 3.2.6 collector has no heartbeat call and no substitute for it.
            (Command::Heartbeat { .. }, Failure::Unsupported) => self.confirmed(Some(now), now),
            // The failed heartbeat is due again at the next tick, so names are requested now: a heartbeat that keeps failing must
            // not block them.
            (Command::Heartbeat { .. }, Failure::Other) => self
                .application
                .map(|application| self.synchronise(application)),
            // `known` was applied before the failed call, and the keys without an answer are still in the queue.
            (Command::Synchronise { .. }, Failure::Unsupported | Failure::Other) => {
                self.known = KnownIds::Keep;
                None
            }
            (Command::RegisterApplication, _)
            | (Command::RegisterInstance { .. } | Command::Recover { .. }, _) => None,
        }
    }

    /// The connected collector has confirmed the ids.
    fn confirmed(&mut self, renewed_at: Option<Duration>, now: Duration) -> Option<Command> {
        self.line = Line::Announced;
        self.renewed_at = renewed_at;
        self.next(now)
    }
}

#[cfg(test)]
mod tests;
