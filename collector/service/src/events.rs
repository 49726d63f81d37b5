//! What happened to instances and among collectors, as it happens, with the evidence.

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

use history::History;
pub use history::{Next, Recorded};

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
    /// To an instance of a Nacos service.
    Service {
        /// When the collector saw or decided it.
        at: Timestamp,
        event: catalog::Event,
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
    /// Another process sent a sign of life with its id, which its own agent does not know. The sign was refused.
    Stray,
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

/// The events of this run: a live feed, and the last of them in order.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Event>,
    history: Arc<Mutex<History>>,
    /// The number of the last event.
    last: Arc<watch::Sender<u64>>,
    lines: Arc<log::Limits>,
}

/// Reads the events of a [`Feed`] in order, from one on. One that falls more than the history behind loses the oldest.
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

    /// Everything from now on about agents and collectors, without numbers. A subscriber that falls more than the capacity behind loses the oldest events
    /// and learns how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// A reader of everything after the event with this number; of everything from now on without one.
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

    /// The number of the last event before this time, as far as the history goes back.
    #[must_use]
    pub fn before(&self, time: Timestamp) -> u64 {
        self.history.lock().before(time)
    }

    /// How many readers there are.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.last.receiver_count()
    }

    /// Tells of an instance that is on record since just now.
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

    /// Publishes that another process used the id of an instance whose agent knows no ids.
    pub(super) fn stray(&self, core: &Core, id: InstanceId) {
        let application = core
            .inventory
            .read_instance(id, |instance| instance.application);
        tracing::warn!(
            instance.id = id.get(),
            "sign of life refused: the agent of this instance knows no ids, another process holds the id since an earlier store"
        );
        self.publish(Event::Instance(InstanceEvent {
            at: core.clock.wall(),
            instance: id,
            application: application.flatten().map(|id| core.inventory.shown(id)),
            kind: Kind::Stray,
        }));
    }

    /// Tells of a change of state, with the evidence.
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

    /// Logs how many lines about instances were left out, once their second is over. Called now and then.
    pub(super) fn report_lines(&self, core: &Core) {
        self.lines.report(core);
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

    /// Records what happened to an instance of a Nacos service, for readers. [`Feed::subscribe`] does not give it: many such events
    /// at once would cost the use cases that listen there the events of agents.
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
    /// The next event, or how many were lost before it. Waits for it. `None` when the feed is gone.
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
    /// When the collector saw or decided it.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Instance(event) => event.at,
            Self::Agreement { at, .. } | Self::Room { at, .. } | Self::Service { at, .. } => *at,
        }
    }
}
