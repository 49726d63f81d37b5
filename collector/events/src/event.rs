//! The events.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use rollcall_domain::{
    InstanceId, Timestamp,
    catalog::{Endpoint, ServiceKey},
    inventory::Generation,
    liveness::{Cause, Observer, Signal, State},
};

mod collector;

pub use collector::{CollectorEvent, Mass, MassGroup, Room, Shared};

/// The kind of subject of an event. Each lane has a history and a journal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Instances of agents.
    Agents,
    /// Instances of Nacos services.
    Services,
    /// The collectors.
    Collector,
}

/// An event with its number and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number among all events, from 1.
    pub number: u64,
    /// When it happened, by the evidence; events are numbered in the order in which they were recorded.
    pub at: Timestamp,
    pub event: Event,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A change of an instance of an agent.
    Instance(InstanceEvent),
    /// A change of an instance of a Nacos service.
    Service(Box<ServiceEvent>),
    /// A change of this collector, of the other members, or of many instances at once.
    Collector(Box<CollectorEvent>),
}

/// A change of an instance of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceEvent {
    pub instance: InstanceId,
    pub kind: InstanceKind,
}

/// The kind of a change of an instance of an agent.
#[derive(Clone, Debug, PartialEq)]
pub enum InstanceKind {
    /// It got an id.
    Registered(Contact),
    /// Its agent holds an id that this inventory had not assigned, and keeps it.
    Adopted(Contact),
    /// Its agent reported the ids that it holds after a reconnect.
    Recovered(Contact),
    /// It was seen on a new connection after an earlier one had ended.
    Reconnected(Contact),
    /// Another process sent a sign of life with the id of this instance, whose own agent uses no ids. The sign was refused.
    Stray(Contact),
    /// Its agent's clock differs much from this collector's, or no longer does.
    ClockDiffers(Contact),
    /// The connection that it was last seen on ended.
    ConnectionClosed {
        peer: Option<SocketAddr>,
        cause: Cause,
    },
    /// Its state changed.
    StateChanged(Changed),
    /// Its signals now reach a different member.
    Moved {
        from: Observer,
        to: Observer,
        peer: Option<SocketAddr>,
    },
    /// It changed so often that some changes were not recorded one by one.
    Flapping {
        unrecorded: u64,
        /// The time of the first of them.
        since: Timestamp,
    },
}

/// The source of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The generation of the agent.
    pub generation: Option<Generation>,
    /// How far the clock of the agent is ahead of this collector's, in milliseconds, if the call carries a time.
    pub clock_skew: Option<i32>,
}

/// A change of state with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub from: State,
    pub to: State,
    /// When the instance entered the state `from`.
    pub since: Timestamp,
    /// When the last signal arrived: the one that brought the instance back, or the last before the silence.
    pub last_seen: Timestamp,
    /// The last signal.
    pub signal: Signal,
    /// The observed usual interval between two signals; zero if unknown.
    pub usual: Duration,
    /// The term that applied: the time without a signal after which the state changes.
    pub term: Duration,
    /// The connection of the last signal.
    pub connection: Connection,
    /// The collector that received the last signal.
    pub observer: Observer,
    /// Whether another collector decided the change, and this collector applied its report.
    pub is_reported: bool,
}

/// The connection that an instance was last seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// This collector saw the instance on no connection.
    Unknown,
    /// It is open.
    Open,
    /// It ended.
    Closed {
        /// When it ended.
        at: Timestamp,
        /// How it ended.
        cause: Cause,
    },
}

/// The place of an instance of a Nacos service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceInstance {
    pub service: ServiceKey,
    pub endpoint: Endpoint,
}

/// Selects instances of Nacos services by the parts that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFilter {
    pub namespace: Option<String>,
    pub group: Option<String>,
    /// The name of the service, without the group.
    pub service: Option<String>,
    /// Ip and port.
    pub endpoint: Option<(String, u16)>,
    pub cluster: Option<String>,
}

/// A change of an instance of a Nacos service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceEvent {
    pub instance: ServiceInstance,
    pub is_ephemeral: bool,
    /// The kind: `registered`, `expired` and the like.
    pub kind: Cow<'static, str>,
    /// The publisher of the instance; for one that was taken over, the earlier publisher.
    pub publisher: Arc<str>,
    /// The address of the client.
    pub peer: Option<Arc<str>>,
    /// The name and version of the client.
    pub client: Option<Arc<str>>,
    /// How the connection of the client ended.
    pub connection_end: Option<Cow<'static, str>>,
    /// What determined the change: `beat`, `probe`, `operator`, `registration`, `member`.
    pub by: Option<Cow<'static, str>>,
    /// Further evidence, such as the values that an operator set.
    pub detail: Option<Arc<str>>,
    /// Changes that were not recorded one by one, for the kind `flapping`.
    pub unrecorded: u64,
}

impl Lane {
    /// All lanes, in the order of their index.
    pub const ALL: [Self; 3] = [Self::Agents, Self::Services, Self::Collector];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Agents => 0,
            Self::Services => 1,
            Self::Collector => 2,
        }
    }

    /// The name in metrics and of the files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Services => "services",
            Self::Collector => "collector",
        }
    }
}

impl Event {
    /// Its lane.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Instance(_) => Lane::Agents,
            Self::Service(_) => Lane::Services,
            Self::Collector(_) => Lane::Collector,
        }
    }

    /// Whether a peer can cause such events as often as it likes.
    pub(crate) fn is_by_peer(&self) -> bool {
        match self {
            Self::Instance(event) => match &event.kind {
                InstanceKind::StateChanged(changed) => {
                    changed.to == State::Up || changed.to == State::Left
                }
                InstanceKind::Flapping { .. } => false,
                _ => true,
            },
            Self::Service(event) => !matches!(&*event.kind, "expired" | "flapping"),
            Self::Collector(_) => false,
        }
    }
}

impl InstanceEvent {
    /// The other end of the connection of the call that caused the event.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        match &self.kind {
            InstanceKind::Registered(contact)
            | InstanceKind::Adopted(contact)
            | InstanceKind::Recovered(contact)
            | InstanceKind::Reconnected(contact)
            | InstanceKind::ClockDiffers(contact) => contact.peer,
            InstanceKind::ConnectionClosed { peer, .. } | InstanceKind::Moved { peer, .. } => *peer,
            InstanceKind::Stray(_)
            | InstanceKind::StateChanged(_)
            | InstanceKind::Flapping { .. } => None,
        }
    }

    /// The state that the instance entered.
    #[must_use]
    pub const fn entered(&self) -> Option<State> {
        match &self.kind {
            InstanceKind::StateChanged(changed) => Some(changed.to),
            _ => None,
        }
    }

    /// How far the clock of its agent is ahead of this collector's, in milliseconds; `None` if the event carries no comparison.
    #[must_use]
    pub const fn clock_skew(&self) -> Option<i32> {
        match &self.kind {
            InstanceKind::Registered(contact)
            | InstanceKind::Adopted(contact)
            | InstanceKind::Recovered(contact)
            | InstanceKind::Reconnected(contact)
            | InstanceKind::ClockDiffers(contact) => contact.clock_skew,
            // A stray sign carries the clock of another process.
            InstanceKind::Stray(_)
            | InstanceKind::ConnectionClosed { .. }
            | InstanceKind::StateChanged(_)
            | InstanceKind::Moved { .. }
            | InstanceKind::Flapping { .. } => None,
        }
    }

    /// Whether no change of the instance precedes the event.
    pub(crate) const fn is_first(&self) -> bool {
        matches!(
            self.kind,
            InstanceKind::Registered(_) | InstanceKind::Adopted(_)
        )
    }
}
