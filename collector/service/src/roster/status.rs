//! The status of an application and of an instance, for the query API.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::{Application, Instance},
    liveness::{LeaseView, Signal, State, Tally, Terms},
};

use crate::{
    Core, Witness,
    events::{Connection, InstanceEvent},
};

/// An application and the states of its instances.
#[derive(Clone, Debug)]
pub struct ApplicationStatus {
    /// `None` for all instances whose application was never reported.
    pub application: Option<Application>,
    /// The registration time of the application. If `application` is `None`, that of the first instance.
    pub registered_at: Timestamp,
    /// The instances of the application, by state.
    pub instances: Tally,
}

/// An instance, its state and the evidence for the state.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    /// The values that its agent registered.
    pub instance: Instance,
    /// Its state now.
    pub state: State,
    /// When the state was entered.
    pub since: Timestamp,
    /// The time of its last signal.
    pub last_seen: Timestamp,
    /// The last signal of the instance.
    pub signal: Signal,
    /// Whether another collector, or an earlier run of this one, received that signal.
    pub relayed: bool,
    /// The observed usual interval between the signals of its agent.
    pub usual: Duration,
    /// Whether that interval is longer than the configured term.
    pub is_slow: bool,
    /// The times without a signal after which the instance is silent and down.
    pub terms: Terms,
    /// The connection of that signal.
    pub connection: Connection,
    /// The other end of the last known connection.
    pub peer: Option<SocketAddr>,
    /// How far the clock of its agent was ahead of this collector's, in milliseconds, and when they were compared; `None` if no
    /// call carried its time.
    pub clock_skew: Option<(i32, Timestamp)>,
    /// The time since that signal.
    pub silence: Duration,
    /// The address of this collector.
    pub own: Arc<str>,
    /// The collector that received that signal; `None` if this run of this collector did.
    pub witness: Option<Witness>,
    /// Whether counts and lists leave the instance out.
    pub forgotten: bool,
}

/// Two recorded times of one moment may differ by this many milliseconds, because the wall clock is adjusted.
const SAME_TIME: i64 = 1_000;

/// When an instance entered its state. For an instance that went down or left in an earlier run, the lease computes this time from
/// the last stored signal and the term. The event has the real time, so it takes precedence if it is known.
pub(super) fn since(core: &Core, id: InstanceId, lease: &LeaseView) -> Timestamp {
    let since = core.clock.wall_at(lease.since);
    if lease.state < State::Down {
        return since;
    }
    let last_seen = core.clock.wall_at(lease.last_seen);
    // An event before the last signal belongs to an earlier end. The event of this end was lost.
    let is_earlier = |at: Timestamp| at.millis().saturating_add(SAME_TIME) < last_seen.millis();
    // An event in the future was recorded before the wall clock was set back.
    let now = core.clock.wall();
    let is_future = |at: Timestamp| at.millis() > now.millis().saturating_add(SAME_TIME);
    match core.events.feed().last_at(id, InstanceEvent::entered) {
        Some((state, at)) if state == lease.state && !is_earlier(at) && !is_future(at) => at,
        _ => since,
    }
}
