//! What to say to the collector next: a state machine without I/O and without a clock.
//!
//! ```text
//! Unregistered --application--> ApplicationKnown --instance--> Running <--recover-- InstanceKnown
//!      ^                                                          |  \--connection lost--^   |
//!      '----------------------- NOT_FOUND ------------------------+--------------------------'
//! ```
//!
//! [`Machine::on`] takes what happened and the time, and answers the one command to carry out, or none until the next
//! tick. There is never a second command before the first is answered: at most one call is in flight. A command that
//! fails is not repeated before the next tick, so that no answer can make the agent spin (upstream's did).

use std::time::Duration;

use crate::{ApplicationId, InstanceId};

/// How far the agent is known to a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// No id yet.
    Unregistered,
    /// The application has its id, this process does not.
    ApplicationKnown,
    /// Both ids are there, but the collector on the line, if any, was not told of them yet.
    InstanceKnown,
    /// Both ids are there and the collector on the line knows them.
    Running,
    /// The agent was shut down, or this process is a [forked child](crate#forks). Final.
    Stopped,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A new connection to a collector is there.
    Connected,
    /// The connection is gone, and with it any command in flight.
    Disconnected,
    /// The register period passed.
    Tick {
        /// Was a segment finished since the last tick?
        segment_finished: bool,
    },
    /// The command was answered.
    Done(Answer),
    /// The command failed.
    Failed(Failure),
}

/// The answer to a command; an id that the collector has not assigned yet is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Application(Option<ApplicationId>),
    Instance(Option<InstanceId>),
    Recovered,
    Heartbeat,
    Synchronised,
}

/// Why a command failed, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The collector does not know the ids it was given.
    NotFound,
    /// The collector does not have the call: an older generation.
    Unsupported,
    /// Anything else that leaves the connection usable.
    Other,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    RegisterApplication,
    RegisterInstance {
        application: ApplicationId,
    },
    /// Tell a newly connected collector which ids this process holds.
    Recover {
        application: ApplicationId,
        instance: InstanceId,
    },
    Heartbeat {
        instance: InstanceId,
    },
    /// Ask for the ids of queued names and addresses, after doing to the known ones what `known` says.
    Synchronise {
        application: ApplicationId,
        known: Known,
    },
}

/// What becomes of the names and addresses that have their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    /// They are right.
    Keep,
    /// The collector may have lost its store: ask for them again, and use them meanwhile.
    AskAgain,
    /// They belonged to another application id: forget them and ask again.
    Forget,
}

/// What the collector on the line knows of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Down,
    /// Up, and not told of our ids yet.
    Fresh,
    /// Up, and told.
    Told,
}

/// The machine; see the [module](self).
#[derive(Debug)]
pub(crate) struct Machine {
    heartbeat_after: Duration,
    application: Option<ApplicationId>,
    instance: Option<InstanceId>,
    /// The application id that the operation ids were learned under.
    learned_under: Option<ApplicationId>,
    line: Line,
    known: Known,
    in_flight: Option<Command>,
    /// When a call last renewed the lease. None: heartbeat at once.
    renewed_at: Option<Duration>,
    segment_at: Option<Duration>,
}

impl Machine {
    /// A machine with the ids of an earlier run of the loop, if there were any.
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
            known: Known::Keep,
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
            (Some(_), Some(_), Line::Told) => Phase::Running,
            (Some(_), Some(_), Line::Down | Line::Fresh) => Phase::InstanceKnown,
        }
    }

    /// Takes an event at a time and answers the command to carry out, if there is one now.
    pub(crate) fn on(&mut self, event: Event, now: Duration) -> Option<Command> {
        let command = match event {
            Event::Connected => {
                self.in_flight = None;
                self.line = Line::Fresh;
                self.known = self.known.max(Known::AskAgain);
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
                let asked = self.in_flight.take()?;
                self.done(asked, answer, now)
            }
            Event::Failed(failure) => {
                let asked = self.in_flight.take()?;
                self.failed(asked, failure, now)
            }
        };
        self.in_flight = command;
        command
    }

    /// The next step towards, or within, Running.
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
            Line::Told if self.heartbeat_due(now) => Command::Heartbeat { instance },
            Line::Told => self.synchronise(application),
        })
    }

    fn synchronise(&self, application: ApplicationId) -> Command {
        Command::Synchronise {
            application,
            known: self.known,
        }
    }

    /// Upstream's rule as it was meant: due once the last finished segment is older than the limit, and then once per
    /// limit. A finished segment stands for a renewed lease only if it reached the collector, which the agent cannot
    /// see; so segments postpone a heartbeat by half the limit at most.
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

    fn done(&mut self, asked: Command, answer: Answer, now: Duration) -> Option<Command> {
        match (asked, answer) {
            (Command::RegisterApplication, Answer::Application(Some(application))) => {
                if self
                    .learned_under
                    .is_some_and(|before| before != application)
                {
                    self.known = Known::Forget;
                }
                self.learned_under = Some(application);
                self.application = Some(application);
                self.next(now)
            }
            (Command::RegisterInstance { .. }, Answer::Instance(Some(instance))) => {
                self.instance = Some(instance);
                self.told(Some(now), now)
            }
            (Command::Recover { .. }, Answer::Recovered) => self.told(Some(now), now),
            (Command::Heartbeat { .. }, Answer::Heartbeat) => self.told(Some(now), now),
            (Command::Synchronise { .. }, Answer::Synchronised) => {
                self.known = Known::Keep;
                None
            }
            // Not assigned yet: asked again at the next tick.
            _ => None,
        }
    }

    fn failed(&mut self, asked: Command, failure: Failure, now: Duration) -> Option<Command> {
        match (asked, failure) {
            // The collector lost what it knew of us: from the start, with the next tick.
            (Command::RegisterInstance { .. }, Failure::NotFound)
            | (Command::Recover { .. }, Failure::NotFound)
            | (Command::Heartbeat { .. }, Failure::NotFound)
            | (Command::Synchronise { .. }, Failure::NotFound) => {
                self.application = None;
                self.instance = None;
                self.line = Line::Fresh;
                self.known = self.known.max(Known::AskAgain);
                None
            }
            // 5.x has no recover: go on, and let a heartbeat say that we live.
            (Command::Recover { .. }, Failure::Unsupported) => self.told(None, now),
            // 3.2.6 has no heartbeat; nothing to be done about it.
            (Command::Heartbeat { .. }, Failure::Unsupported) => self.told(Some(now), now),
            // Names go on though the heartbeat is due again at the next tick.
            (Command::Heartbeat { .. }, Failure::Other) => self
                .application
                .map(|application| self.synchronise(application)),
            // What was asked again or forgotten was so before the call that failed; what is left is in the queue.
            (Command::Synchronise { .. }, Failure::Unsupported | Failure::Other) => {
                self.known = Known::Keep;
                None
            }
            (Command::RegisterApplication, _)
            | (Command::RegisterInstance { .. } | Command::Recover { .. }, _) => None,
        }
    }

    /// The collector on the line knows our ids.
    fn told(&mut self, renewed_at: Option<Duration>, now: Duration) -> Option<Command> {
        self.line = Line::Told;
        self.renewed_at = renewed_at;
        self.next(now)
    }
}

#[cfg(test)]
mod tests;
