//! Records the events of instances and collectors with their evidence, and logs them for the operator.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rollcall_domain::{
    InstanceId, Timestamp,
    liveness::{Cause, Contact as LastContact, Observer, Transition},
};
use rollcall_limits::Peer;
use rollcall_link as link;

use super::{Core, stray};

mod log;

pub use log::Limit as LineLimit;
pub use rollcall_events::*;

/// Records events of this collector's use cases.
#[derive(Clone, Debug)]
pub(super) struct Events {
    feed: Feed,
    lines: Arc<log::Limits>,
}

impl Events {
    pub(super) fn new(feed: Feed) -> Self {
        Self {
            feed,
            lines: Arc::default(),
        }
    }

    pub(super) const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Records a new instance.
    pub(super) fn granted(&self, core: &Core, id: InstanceId) {
        let adopted = core
            .inventory
            .read_instance(id, |instance| instance.adopted);
        let Some(adopted) = adopted else {
            return;
        };
        log::granted(&self.lines, core, id, adopted);
        let contact = contact(core, id);
        let kind = if adopted {
            InstanceKind::Adopted(contact)
        } else {
            InstanceKind::Registered(contact)
        };
        self.record(core.clock.wall(), id, kind);
    }

    /// Records that another process used the id of an instance.
    pub(super) fn stray(&self, core: &Core, id: InstanceId, reason: stray::Reason) {
        log::stray(core, id, reason);
        let kind = InstanceKind::Stray(contact(core, id));
        self.record(core.clock.wall(), id, kind);
    }

    /// Logs an instance whose agent sends signals less often than configured.
    pub(super) fn slow(
        &self,
        core: &Core,
        id: InstanceId,
        interval: Duration,
        silent_after: Duration,
    ) {
        log::slow(core, id, interval, silent_after);
    }

    /// Logs an instance whose clock differs much from this collector's.
    pub(super) fn skewed(&self, core: &Core, id: InstanceId, skew_ms: i32) {
        log::skewed(core, id, skew_ms);
    }

    /// Records that the clock of an instance's agent differs much from this collector's, or no longer does.
    pub(super) fn clock_differs(&self, core: &Core, id: InstanceId, skew: i32) {
        let kind = InstanceKind::ClockDiffers(Contact {
            clock_skew: Some(skew),
            ..contact(core, id)
        });
        self.record(core.clock.wall(), id, kind);
    }

    /// Records that an agent reported its ids after a reconnect.
    pub(super) fn recovered(&self, core: &Core, id: InstanceId) {
        let kind = InstanceKind::Recovered(contact(core, id));
        self.record(core.clock.wall(), id, kind);
    }

    /// Records that an instance was seen on a new connection after the end of an earlier one.
    pub(super) fn reconnected(&self, core: &Core, id: InstanceId) {
        let kind = InstanceKind::Reconnected(contact(core, id));
        self.record(core.clock.wall(), id, kind);
    }

    /// Records that a different collector now observes the signals of an instance.
    pub(super) fn moved(&self, core: &Core, id: InstanceId, from: Observer, to: Observer) {
        let peer = match to {
            Observer::Here => contact(core, id).peer,
            Observer::Elsewhere(_) => None,
        };
        let kind = InstanceKind::Moved { from, to, peer };
        self.record(core.clock.wall(), id, kind);
    }

    /// Records the end of the connection that an instance was last seen on.
    pub(super) fn closed(
        &self,
        id: InstanceId,
        at: Timestamp,
        peer: std::net::SocketAddr,
        cause: Cause,
    ) {
        let peer = Some(peer);
        self.record(at, id, InstanceKind::ConnectionClosed { peer, cause });
    }

    /// Records a change of state, and requests that it be written.
    pub(super) fn changed(&self, core: &Core, transition: &Transition<InstanceId>) {
        log::changed(&self.lines, core, transition);
        core.changes.observe(transition);
        let clock = &core.clock;
        let changed = Changed {
            from: transition.from,
            to: transition.to,
            since: clock.wall_at(transition.since),
            last_seen: clock.wall_at(transition.last_seen),
            signal: transition.signal,
            usual: transition.usual,
            term: transition.term,
            connection: connection(core, transition.contact),
            observer: transition.observer,
            is_reported: transition.is_reported,
        };
        let at = clock.wall_at(transition.at);
        self.record(at, transition.key, InstanceKind::StateChanged(changed));
    }

    /// Logs how many lines about instances were suppressed in a past second. Called at every sweep.
    pub(super) fn report_lines(&self, core: &Core) {
        self.lines.report(core);
    }

    /// Records whether the data of this collector agrees with another collector's.
    pub(super) fn compared(&self, core: &Core, about: Shared, agrees: bool) {
        let event = if agrees {
            CollectorEvent::Agreed { about }
        } else {
            CollectorEvent::Diverged { about }
        };
        self.feed.collector(core.clock.wall(), event);
    }

    /// Records a change of the free memory of the inventory.
    pub(super) fn room(&self, core: &Core, room: Room) {
        let event = CollectorEvent::Inventory { room };
        self.feed.collector(core.clock.wall(), event);
    }

    /// The address of the last known connection of an instance, without the port.
    pub(super) fn peer(&self, id: InstanceId) -> Option<IpAddr> {
        let peer = self.feed.last(id, u64::MAX, InstanceEvent::peer);
        peer.map(|peer| peer.ip())
    }

    fn record(&self, at: Timestamp, instance: InstanceId, kind: InstanceKind) {
        let event = InstanceEvent { instance, kind };
        // The event of a connection's end names its peer, and no call is running then.
        let source = link::current(link::Seen::remote).or(event.peer());
        let source = source.map(|remote| Peer::new(remote.ip()));
        self.feed.instance_by(source, at, event);
    }
}

/// The connection that an instance was last seen on, for an event.
pub(super) fn connection(core: &Core, contact: LastContact) -> Connection {
    match contact {
        LastContact::Unknown => Connection::Unknown,
        LastContact::Open(_) => Connection::Open,
        LastContact::Closed(closed) => Connection::Closed {
            at: core.clock.wall_at(closed.at),
            cause: closed.cause,
        },
    }
}

/// The source of the running call and the generation of its agent.
fn contact(core: &Core, id: InstanceId) -> Contact {
    let generation = core
        .inventory
        .read_instance(id, |instance| instance.generation);
    Contact {
        peer: link::current(link::Seen::remote),
        generation: generation.flatten(),
        clock_skew: link::current(link::Seen::clock_skew).flatten(),
    }
}
