//! What happened to instances and among collectors, as it happens, with the evidence.

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    liveness::{Signal, State, Transition},
};
use tokio::sync::broadcast;

use super::Core;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// To an instance.
    Instance(InstanceEvent),
    /// Between collectors: what this one knows came to differ from what another one says that it should be, or came to
    /// agree again.
    Agreement {
        /// When this collector noticed.
        at: Timestamp,
        about: Shared,
        agrees: bool,
    },
    /// To the memory of the inventory: there is more or less room than before.
    Room {
        /// When this collector noticed.
        at: Timestamp,
        room: Room,
    },
}

/// How much more may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room.
    Ample,
    /// The inventory nears its limit.
    Low,
    /// New names are refused.
    Full,
}

/// What collectors have to agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Which ids there are, and whose they are.
    Inventory,
    /// Who is there.
    Roster,
}

/// One thing that happened to an instance.
#[derive(Clone, Debug)]
pub struct InstanceEvent {
    /// When the collector saw or decided it.
    pub at: Timestamp,
    pub instance: InstanceId,
    /// `None` where the application of an adopted instance was never told.
    pub application: Option<ApplicationId>,
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was given an id.
    Registered,
    /// It came with an id this collector had not assigned, and keeps it.
    Adopted,
    /// The collector changed its mind about whether it is alive.
    Changed {
        from: State,
        to: State,
        /// When it was last heard of before the change.
        last_seen: Timestamp,
        /// What was heard: for a change to [`State::Up`] the signal that proved it, otherwise the last one before the
        /// silence.
        signal: Signal,
    },
}

/// A live feed of events. A subscriber that falls more than the capacity behind loses the oldest and is told how many.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Event>,
}

impl Feed {
    /// A feed that keeps up to `capacity` events for slow subscribers.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            sender: broadcast::Sender::new(capacity),
        }
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Tells of an instance that is on record since just now.
    pub(super) fn granted(&self, core: &Core, id: InstanceId) {
        let Some((application, adopted)) = core
            .inventory
            .read_instance(id, |instance| (instance.application, instance.adopted))
        else {
            return;
        };
        // Not at a level that is on by default: a fleet that starts at once would wait for the reader of the log.
        tracing::debug!(
            instance.id = id.get(),
            application.id = application.map(ApplicationId::get),
            adopted,
            "new instance",
        );
        self.publish(Event::Instance(InstanceEvent {
            at: core.clock.wall(),
            instance: id,
            application,
            kind: if adopted {
                Kind::Adopted
            } else {
                Kind::Registered
            },
        }));
    }

    /// Tells of a change of state, with the evidence.
    pub(super) fn changed(&self, core: &Core, transition: &Transition) {
        let Transition {
            instance,
            from,
            to,
            at,
            last_seen,
            signal,
            ..
        } = *transition;
        let application = core
            .inventory
            .read_instance(instance, |instance| instance.application);
        let application = application.flatten();
        tracing::info!(
            instance.id = instance.get(),
            application.id = application.map(ApplicationId::get),
            ?from,
            ?to,
            last_signal = ?signal,
            quiet_for = ?at.since(last_seen),
            "instance changed state",
        );
        self.publish(Event::Instance(InstanceEvent {
            at: core.clock.wall_at(at),
            instance,
            application,
            kind: Kind::Changed {
                from,
                to,
                last_seen: core.clock.wall_at(last_seen),
                signal,
            },
        }));
    }

    /// Tells whether what this collector knows is what another one says that it should be.
    pub(super) fn compared(&self, core: &Core, about: Shared, agrees: bool) {
        let at = core.clock.wall();
        self.publish(Event::Agreement { at, about, agrees });
    }

    /// Publishes that the inventory has more or less room than before.
    pub(super) fn room(&self, core: &Core, room: Room) {
        let at = core.clock.wall();
        self.publish(Event::Room { at, room });
    }

    fn publish(&self, event: Event) {
        if self.sender.send(event).is_err() {
            tracing::trace!("nobody listens to the event feed");
        }
    }
}
