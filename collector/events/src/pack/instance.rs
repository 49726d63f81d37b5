//! Instances of agents, and their events.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    num::NonZeroU32,
    time::Duration,
};

use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::Generation,
    liveness::{Cause, Observer, Signal, State},
    membership::Tag,
};

use super::{Bytes, Subject, Words, put_number, put_signed, put_time_from};
use crate::event::{Changed, Connection, Contact, Event, InstanceEvent, InstanceKind};

const REGISTERED: u8 = 0;
const ADOPTED: u8 = 1;
const RECOVERED: u8 = 2;
const RECONNECTED: u8 = 3;
const STRAY: u8 = 4;
const CONNECTION_CLOSED: u8 = 5;
const CHANGED: u8 = 6;
const MOVED: u8 = 7;
const FLAPPING: u8 = 8;
const CLOCK_DIFFERS: u8 = 9;

impl Subject for InstanceId {
    type Event = InstanceEvent;

    fn pack(&self, bytes: &mut Vec<u8>) {
        put_signed(bytes, self.get().into());
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let number = Bytes::of(bytes).signed()?;
        Self::new(i32::try_from(number).ok()?)
    }

    fn pack_event(event: &InstanceEvent, at: Timestamp, _: &mut Words, bytes: &mut Vec<u8>) {
        let mut contact = |kind, contact: &Contact| {
            bytes.push(kind);
            put_contact(bytes, *contact);
        };
        match &event.kind {
            InstanceKind::Registered(it) => contact(REGISTERED, it),
            InstanceKind::Adopted(it) => contact(ADOPTED, it),
            InstanceKind::Recovered(it) => contact(RECOVERED, it),
            InstanceKind::Reconnected(it) => contact(RECONNECTED, it),
            InstanceKind::Stray(it) => contact(STRAY, it),
            InstanceKind::ClockDiffers(it) => contact(CLOCK_DIFFERS, it),
            InstanceKind::ConnectionClosed { peer, cause } => {
                bytes.extend([CONNECTION_CLOSED, cause.code()]);
                put_peer(bytes, *peer);
            }
            InstanceKind::StateChanged(changed) => {
                bytes.push(CHANGED);
                put_changed(bytes, at, changed);
            }
            InstanceKind::Moved { from, to, peer } => {
                bytes.push(MOVED);
                put_observer(bytes, *from);
                put_observer(bytes, *to);
                put_peer(bytes, *peer);
            }
            InstanceKind::Flapping { unrecorded, since } => {
                bytes.push(FLAPPING);
                put_number(bytes, *unrecorded);
                put_time_from(bytes, at, *since);
            }
        }
    }

    fn unpack_event(self, at: Timestamp, _: &Words, bytes: &[u8]) -> Option<Event> {
        let mut from = Bytes::of(bytes);
        let kind = match from.byte()? {
            REGISTERED => InstanceKind::Registered(contact(&mut from)?),
            ADOPTED => InstanceKind::Adopted(contact(&mut from)?),
            RECOVERED => InstanceKind::Recovered(contact(&mut from)?),
            RECONNECTED => InstanceKind::Reconnected(contact(&mut from)?),
            STRAY => InstanceKind::Stray(contact(&mut from)?),
            CLOCK_DIFFERS => InstanceKind::ClockDiffers(contact(&mut from)?),
            CONNECTION_CLOSED => InstanceKind::ConnectionClosed {
                cause: Cause::from_code(from.byte()?)?,
                peer: peer(&mut from)?,
            },
            CHANGED => InstanceKind::StateChanged(changed(&mut from, at)?),
            MOVED => InstanceKind::Moved {
                from: observer(&mut from)?,
                to: observer(&mut from)?,
                peer: peer(&mut from)?,
            },
            FLAPPING => InstanceKind::Flapping {
                unrecorded: from.number()?,
                since: from.time_from(at)?,
            },
            _ => return None,
        };
        let instance = self;
        Some(Event::Instance(InstanceEvent { instance, kind }))
    }
}

fn put_contact(bytes: &mut Vec<u8>, contact: Contact) {
    put_peer(bytes, contact.peer);
    bytes.push(contact.generation.map_or(0, Generation::number));
    if let Some(skew) = contact.clock_skew {
        put_signed(bytes, skew.into());
    }
}

/// The contact at the end of an event.
fn contact(from: &mut Bytes<'_>) -> Option<Contact> {
    let peer = peer(from)?;
    let generation = Generation::from_number(from.byte()?);
    let clock_skew = match from.rest() {
        [] => None,
        _ => Some(i32::try_from(from.signed()?).ok()?),
    };
    Some(Contact {
        peer,
        generation,
        clock_skew,
    })
}

fn put_peer(bytes: &mut Vec<u8>, peer: Option<SocketAddr>) {
    match peer {
        None => bytes.push(0),
        Some(SocketAddr::V4(peer)) => {
            bytes.push(4);
            bytes.extend_from_slice(&peer.ip().octets());
            bytes.extend_from_slice(&peer.port().to_le_bytes());
        }
        Some(SocketAddr::V6(peer)) => {
            bytes.push(6);
            bytes.extend_from_slice(&peer.ip().octets());
            bytes.extend_from_slice(&peer.port().to_le_bytes());
            put_number(bytes, peer.flowinfo().into());
            put_number(bytes, peer.scope_id().into());
        }
    }
}

fn peer(from: &mut Bytes<'_>) -> Option<Option<SocketAddr>> {
    Some(match from.byte()? {
        0 => None,
        4 => {
            let ip = Ipv4Addr::from(from.array::<4>()?);
            let port = u16::from_le_bytes(from.array()?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        6 => {
            let ip = Ipv6Addr::from(from.array::<16>()?);
            let port = u16::from_le_bytes(from.array()?);
            let [flow, scope] = [from.number()?, from.number()?];
            let (flow, scope) = (u32::try_from(flow).ok()?, u32::try_from(scope).ok()?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => return None,
    })
}

fn put_changed(bytes: &mut Vec<u8>, at: Timestamp, changed: &Changed) {
    let Changed {
        from,
        to,
        since,
        last_seen,
        signal,
        usual,
        term,
        connection,
        observer,
        is_reported,
    } = *changed;
    bytes.extend([from as u8, to as u8, signal.code(), u8::from(is_reported)]);
    put_time_from(bytes, at, since);
    put_time_from(bytes, at, last_seen);
    put_duration(bytes, usual);
    put_duration(bytes, term);
    put_observer(bytes, observer);
    match connection {
        Connection::Unknown => bytes.push(0),
        Connection::Open => bytes.push(1),
        Connection::Closed { at: end, cause } => {
            bytes.extend([2, cause.code()]);
            put_time_from(bytes, at, end);
        }
    }
}

fn changed(from: &mut Bytes<'_>, at: Timestamp) -> Option<Changed> {
    let [before, to, signal, is_reported] = from.array()?;
    let state = |number: u8| State::ALL.get(usize::from(number)).copied();
    Some(Changed {
        from: state(before)?,
        to: state(to)?,
        signal: Signal::from_code(signal)?,
        is_reported: is_reported != 0,
        since: from.time_from(at)?,
        last_seen: from.time_from(at)?,
        usual: duration(from)?,
        term: duration(from)?,
        observer: observer(from)?,
        connection: match from.byte()? {
            0 => Connection::Unknown,
            1 => Connection::Open,
            2 => Connection::Closed {
                cause: Cause::from_code(from.byte()?)?,
                at: from.time_from(at)?,
            },
            _ => return None,
        },
    })
}

/// Appends a duration in whole milliseconds, as the journal has it.
fn put_duration(bytes: &mut Vec<u8>, duration: Duration) {
    put_number(
        bytes,
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    );
}

fn duration(from: &mut Bytes<'_>) -> Option<Duration> {
    from.number().map(Duration::from_millis)
}

fn put_observer(bytes: &mut Vec<u8>, observer: Observer) {
    let number = match observer {
        Observer::Here => 0,
        Observer::Elsewhere(None) => 1,
        Observer::Elsewhere(Some(tag)) => 1 + u64::from(tag.get().get()),
    };
    put_number(bytes, number);
}

fn observer(from: &mut Bytes<'_>) -> Option<Observer> {
    let Some(number) = from.number()?.checked_sub(1) else {
        return Some(Observer::Here);
    };
    let tag = NonZeroU32::new(u32::try_from(number).ok()?).map(Tag::from);
    Some(Observer::Elsewhere(tag))
}
