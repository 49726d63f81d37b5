//! A change of an instance of an agent, as it is stored.

use std::{borrow::Cow, net::SocketAddr, num::NonZeroU32, time::Duration};

use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::Generation,
    liveness::{Cause, Observer, Signal, State},
    membership::Tag,
};
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::event::{Changed, Connection, Contact, InstanceEvent, InstanceKind};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InstanceLine {
    id: i32,
    kind: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skew: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<u8>,
    /// The end of the connection; `open` says that it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
    /// The tag of a member; 0 stands for another, unknown member. Absent for this collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    reported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unrecorded: Option<u64>,
}

impl InstanceLine {
    pub(super) fn of(event: &InstanceEvent) -> Self {
        let mut line = Self {
            id: event.instance.get(),
            ..Self::default()
        };
        let kind = match &event.kind {
            InstanceKind::Registered(contact) => line.contact(*contact, "registered"),
            InstanceKind::Adopted(contact) => line.contact(*contact, "adopted"),
            InstanceKind::Recovered(contact) => line.contact(*contact, "recovered"),
            InstanceKind::Reconnected(contact) => line.contact(*contact, "reconnected"),
            InstanceKind::Stray(contact) => line.contact(*contact, "stray"),
            InstanceKind::ClockDiffers(contact) => line.contact(*contact, "clock_differs"),
            InstanceKind::ConnectionClosed { peer, cause } => {
                line.peer = *peer;
                line.cause = Some(cause.code());
                "connection_closed"
            }
            InstanceKind::StateChanged(changed) => line.changed(changed),
            InstanceKind::Moved { from, to, peer } => {
                line.peer = *peer;
                line.by = number(*from);
                line.to = number(*to);
                "moved"
            }
            InstanceKind::Flapping { unrecorded, since } => {
                line.unrecorded = Some(*unrecorded);
                line.since = Some(since.millis());
                "flapping"
            }
        };
        line.kind = Cow::Borrowed(kind);
        line
    }

    fn contact(&mut self, contact: Contact, kind: &'static str) -> &'static str {
        self.peer = contact.peer;
        self.generation = contact.generation.map(Generation::number);
        self.skew = contact.clock_skew;
        kind
    }

    fn changed(&mut self, changed: &Changed) -> &'static str {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.from = Some(changed.from as u8);
        self.since = Some(changed.since.millis());
        self.seen = Some(changed.last_seen.millis());
        self.signal = Some(changed.signal.code());
        self.usual = Some(millis(changed.usual)).filter(|usual| *usual > 0);
        self.term = Some(millis(changed.term));
        match changed.connection {
            Connection::Unknown => {}
            Connection::Open => self.open = true,
            Connection::Closed { at, cause } => {
                self.closed = Some(at.millis());
                self.cause = Some(cause.code());
            }
        }
        self.by = number(changed.observer);
        self.reported = changed.is_reported;
        match changed.to {
            State::Up => "up",
            State::Silent => "silent",
            State::Down => "down",
            State::Left => "left",
        }
    }

    pub(super) fn event(self) -> Option<InstanceEvent> {
        let contact = Contact {
            peer: self.peer,
            generation: self.generation.and_then(Generation::from_number),
            clock_skew: self.skew,
        };
        let kind = match &*self.kind {
            "registered" => InstanceKind::Registered(contact),
            "adopted" => InstanceKind::Adopted(contact),
            "recovered" => InstanceKind::Recovered(contact),
            "reconnected" => InstanceKind::Reconnected(contact),
            "stray" => InstanceKind::Stray(contact),
            "clock_differs" => InstanceKind::ClockDiffers(contact),
            "connection_closed" => InstanceKind::ConnectionClosed {
                peer: self.peer,
                cause: Cause::from_code(self.cause?)?,
            },
            "up" => InstanceKind::StateChanged(self.change(State::Up)?),
            "silent" => InstanceKind::StateChanged(self.change(State::Silent)?),
            "down" => InstanceKind::StateChanged(self.change(State::Down)?),
            "left" => InstanceKind::StateChanged(self.change(State::Left)?),
            "moved" => InstanceKind::Moved {
                from: origin(self.by),
                to: origin(self.to),
                peer: self.peer,
            },
            "flapping" => InstanceKind::Flapping {
                unrecorded: self.unrecorded?,
                since: Timestamp::from_millis(self.since?),
            },
            _ => return None,
        };
        Some(InstanceEvent {
            instance: InstanceId::new(self.id)?,
            kind,
        })
    }

    fn change(&self, to: State) -> Option<Changed> {
        let connection = match (self.open, self.closed) {
            (true, _) => Connection::Open,
            (false, None) => Connection::Unknown,
            (false, Some(at)) => Connection::Closed {
                at: Timestamp::from_millis(at),
                cause: Cause::from_code(self.cause?)?,
            },
        };
        Some(Changed {
            from: *State::ALL.get(usize::from(self.from?))?,
            to,
            since: Timestamp::from_millis(self.since?),
            last_seen: Timestamp::from_millis(self.seen?),
            signal: Signal::from_code(self.signal?)?,
            usual: Duration::from_millis(self.usual.unwrap_or(0)),
            term: Duration::from_millis(self.term.unwrap_or(0)),
            connection,
            observer: origin(self.by),
            is_reported: self.reported,
        })
    }
}

fn number(origin: Observer) -> Option<u32> {
    match origin {
        Observer::Here => None,
        Observer::Elsewhere(tag) => Some(tag.map_or(0, |tag| tag.get().get())),
    }
}

fn origin(number: Option<u32>) -> Observer {
    match number {
        None => Observer::Here,
        Some(number) => Observer::Elsewhere(NonZeroU32::new(number).map(Tag::from)),
    }
}
