//! The event feed: changes of instances and of the agreement between collectors, with the evidence.

use std::sync::Arc;

use parking_lot::Mutex;
use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp, catalog,
    liveness::{Signal, State, Transition},
};
use tokio::sync::{broadcast, watch};

use super::Core;

mod history;
mod log;

pub use log::Limit as LineLimit;

use history::History;
pub use history::{Next, Recorded};

/// An event.
#[derive(Clone, Debug)]
pub enum Event {
    /// An event of an instance.
    Instance(InstanceEvent),
    /// The data of this collector began to differ from another collector's, or agrees with it again.
    Agreement {
        /// When this collector noticed.
        at: Timestamp,
        about: Shared,
        agrees: bool,
    },
    /// An event of an instance of a Nacos service.
    Service {
        /// When the collector observed or decided it.
        at: Timestamp,
        event: catalog::Event,
    },
    /// The inventory has more or less free memory than before.
    Room {
        /// When this collector noticed.
        at: Timestamp,
        room: Room,
    },
}

/// The free memory of the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The inventory is well below its limit.
    Ample,
    /// The inventory is close to its limit.
    Low,
    /// New names are refused.
    Full,
}

/// The data that collectors have to agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The ids and their keys.
    Inventory,
    /// The instances and their states.
    Roster,
}

/// An event of an instance.
#[derive(Clone, Debug)]
pub struct InstanceEvent {
    /// When the collector observed or decided it.
    pub at: Timestamp,
    pub instance: InstanceId,
    /// `None` if the application of an adopted instance was never reported.
    pub application: Option<ApplicationId>,
    pub kind: Kind,
}

/// The kind of an instance event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The instance got an id.
    Registered,
    /// The instance holds an id that this collector had not assigned, and keeps it.
    Adopted,
    /// Another process sent a signal with the id of this instance, whose own agent uses no ids. The signal was refused.
    Stray,
    /// The state of the instance changed.
    Changed {
        from: State,
        to: State,
        /// When the instance was last seen before the change.
        last_seen: Timestamp,
        /// For a change to [`State::Up`] the signal that proved it, otherwise the last signal before the silence.
        signal: Signal,
    },
}

/// The events of this run: a live feed, and a bounded history in order.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Event>,
    history: Arc<Mutex<History>>,
    /// The number of the last event.
    last: Arc<watch::Sender<u64>>,
    lines: Arc<log::Limits>,
}

/// Reads the events of a [`Feed`] in order, from a chosen one. A reader that falls behind by more than the history loses the
/// oldest events.
#[derive(Debug)]
pub struct Reader {
    history: Arc<Mutex<History>>,
    last: watch::Receiver<u64>,
    /// The number of the last event that was read.
    read: u64,
}

impl Feed {
    /// A feed that keeps the last `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            sender: broadcast::Sender::new(capacity),
            history: Arc::new(Mutex::new(History::new(capacity))),
            last: Arc::new(watch::Sender::new(0)),
            lines: Arc::default(),
        }
    }

    /// All later events about agents and collectors, without numbers. A subscriber that falls behind by more than the capacity
    /// loses the oldest events and receives their count.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// A reader of all events after the one with this number; without a number, of all later events.
    #[must_use]
    pub fn read(&self, after: Option<u64>) -> Reader {
        let last = self.last.subscribe();
        let newest = self.history.lock().newest();
        Reader {
            history: Arc::clone(&self.history),
            last,
            read: after.map_or(newest, |number| number.min(newest)),
        }
    }

    /// The number of the last event before this time, within the history.
    #[must_use]
    pub fn before(&self, time: Timestamp) -> u64 {
        self.history.lock().before(time)
    }

    /// The number of readers.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.last.receiver_count()
    }

    /// Publishes a newly recorded instance.
    pub(super) fn granted(&self, core: &Core, id: InstanceId) {
        let Some((application, adopted)) = core
            .inventory
            .read_instance(id, |instance| (instance.application, instance.adopted))
        else {
            return;
        };
        log::granted(&self.lines, core, id, adopted);
        self.publish(Event::Instance(InstanceEvent {
            at: core.clock.wall(),
            instance: id,
            application: application.map(|id| core.inventory.shown(id)),
            kind: if adopted {
                Kind::Adopted
            } else {
                Kind::Registered
            },
        }));
    }

    /// Publishes that another process used the id of an instance whose agent uses no ids.
    pub(super) fn stray(&self, core: &Core, id: InstanceId) {
        let application = core
            .inventory
            .read_instance(id, |instance| instance.application);
        tracing::warn!(
            instance.id = id.get(),
            "sign of life refused: the agent of this instance knows no ids, another process holds the id from an earlier store"
        );
        self.publish(Event::Instance(InstanceEvent {
            at: core.clock.wall(),
            instance: id,
            application: application.flatten().map(|id| core.inventory.shown(id)),
            kind: Kind::Stray,
        }));
    }

    /// Publishes a change of state, with the evidence.
    pub(super) fn changed(&self, core: &Core, transition: &Transition<InstanceId>) {
        let Transition {
            key: instance,
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
        let application = application.flatten().map(|id| core.inventory.shown(id));
        log::changed(&self.lines, core, transition);
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

    /// Logs how many lines about instances were suppressed, once their second is over. Called at every sweep.
    pub(super) fn report_lines(&self, core: &Core) {
        self.lines.report(core);
    }

    /// Publishes whether the data of this collector agrees with another collector's.
    pub(super) fn compared(&self, core: &Core, about: Shared, agrees: bool) {
        let at = core.clock.wall();
        self.publish(Event::Agreement { at, about, agrees });
    }

    /// Publishes a change of the free memory of the inventory.
    pub(super) fn room(&self, core: &Core, room: Room) {
        let at = core.clock.wall();
        self.publish(Event::Room { at, room });
    }

    /// Records an event of an instance of a Nacos service, for readers. [`Feed::subscribe`] omits it, because many such events
    /// at once would displace the events of agents there.
    pub fn service(&self, at: Timestamp, event: catalog::Event) {
        let number = self.history.lock().add(Event::Service { at, event });
        self.last.send_replace(number);
    }

    fn publish(&self, event: Event) {
        let number = self.history.lock().add(event.clone());
        self.last.send_replace(number);
        if self.sender.send(event).is_err() {
            tracing::trace!("the event feed has no subscriber");
        }
    }
}

impl Reader {
    /// Waits for the next event, or returns how many were lost before it. `None` when the feed is gone.
    pub async fn next(&mut self) -> Option<Next> {
        loop {
            self.last.borrow_and_update();
            let next = self.history.lock().after(self.read);
            match next {
                Some(next) => {
                    self.read = match &next {
                        Next::Event(recorded) => recorded.number,
                        Next::Lost(lost) => self.read + lost,
                    };
                    return Some(next);
                }
                None => self.last.changed().await.ok()?,
            }
        }
    }
}

impl Event {
    /// When the collector observed or decided it.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Instance(event) => event.at,
            Self::Agreement { at, .. } | Self::Room { at, .. } | Self::Service { at, .. } => *at,
        }
    }
}
