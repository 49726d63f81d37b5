//! Instances of Nacos services, and their events.

use rollcall_domain::{
    Timestamp,
    catalog::{Endpoint, ServiceKey},
};

use super::{
    Bytes, Subject, put_number,
    text::{self, Words},
};
use crate::event::{Event, ServiceEvent, ServiceFilter, ServiceInstance};

/// Bits of the first byte of an event: the fields that it has.
const EPHEMERAL: u8 = 1;
const PEER: u8 = 1 << 1;
const CLIENT: u8 = 1 << 2;
const END: u8 = 1 << 3;
const BY: u8 = 1 << 4;
const DETAIL: u8 = 1 << 5;
const UNRECORDED: u8 = 1 << 6;

impl Subject for ServiceInstance {
    type Event = ServiceEvent;

    fn pack(&self, bytes: &mut Vec<u8>) {
        let Self { service, endpoint } = self;
        text::put(bytes, service.namespace());
        text::put(bytes, service.group());
        text::put(bytes, service.name());
        text::put(bytes, &endpoint.ip);
        put_number(bytes, endpoint.port.into());
        text::put(bytes, &endpoint.cluster);
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (mut from, words) = (Bytes::of(bytes), Words::default());
        let mut next = || text::get(&mut from, &words);
        let service = ServiceKey::new(&next()?, &next()?, &next()?).ok()?;
        let ip = next()?.into();
        let port = u16::try_from(from.number()?).ok()?;
        let cluster = text::get(&mut from, &words)?.into();
        let endpoint = Endpoint { ip, port, cluster };
        Some(Self { service, endpoint })
    }

    fn pack_event(event: &ServiceEvent, _: Timestamp, words: &mut Words, bytes: &mut Vec<u8>) {
        let mut fields = 0;
        let mut has = |is_there: bool, field| fields |= if is_there { field } else { 0 };
        has(event.is_ephemeral, EPHEMERAL);
        has(event.peer.is_some(), PEER);
        has(event.client.is_some(), CLIENT);
        has(event.connection_end.is_some(), END);
        has(event.by.is_some(), BY);
        has(event.detail.is_some(), DETAIL);
        has(event.unrecorded > 0, UNRECORDED);
        bytes.push(fields);
        text::put(bytes, &event.kind);
        text::put(bytes, &event.publisher);
        if let Some(peer) = &event.peer {
            text::put(bytes, peer);
        }
        if let Some(client) = &event.client {
            words.put(bytes, client);
        }
        for text in [&event.connection_end, &event.by].into_iter().flatten() {
            text::put(bytes, text);
        }
        if let Some(detail) = &event.detail {
            text::put(bytes, detail);
        }
        if event.unrecorded > 0 {
            put_number(bytes, event.unrecorded);
        }
    }

    fn unpack_event(self, _: Timestamp, words: &Words, bytes: &[u8]) -> Option<Event> {
        let mut from = Bytes::of(bytes);
        let fields = from.byte()?;
        let has = |field| fields & field != 0;
        let mut next = || text::get(&mut from, words);
        let mut event = ServiceEvent {
            instance: self,
            is_ephemeral: has(EPHEMERAL),
            kind: next()?.into(),
            publisher: next()?.into(),
            peer: None,
            client: None,
            connection_end: None,
            by: None,
            detail: None,
            unrecorded: 0,
        };
        if has(PEER) {
            event.peer = Some(next()?.into());
        }
        if has(CLIENT) {
            event.client = Some(next()?.into());
        }
        if has(END) {
            event.connection_end = Some(next()?.into());
        }
        if has(BY) {
            event.by = Some(next()?.into());
        }
        if has(DETAIL) {
            event.detail = Some(next()?.into());
        }
        if has(UNRECORDED) {
            event.unrecorded = from.number()?;
        }
        Some(Event::Service(Box::new(event)))
    }
}

/// A filter that compares packed bytes. It examines the instances of all timelines, so it does not unpack them.
#[derive(Debug)]
pub(crate) struct PackedFilter {
    /// Namespace, group, service and address.
    texts: [Option<Vec<u8>>; 4],
    port: Option<u64>,
    cluster: Option<Vec<u8>>,
}

impl PackedFilter {
    pub(crate) fn of(filter: &ServiceFilter) -> Self {
        let packed = |wanted: Option<&str>| {
            wanted.map(|wanted| {
                let mut bytes = Vec::new();
                text::put(&mut bytes, wanted);
                bytes
            })
        };
        let (ip, port) = filter
            .endpoint
            .as_ref()
            .map(|(ip, port)| (&**ip, *port))
            .unzip();
        Self {
            texts: [
                packed(filter.namespace.as_deref()),
                packed(filter.group.as_deref()),
                packed(filter.service.as_deref()),
                packed(ip),
            ],
            port: port.map(u64::from),
            cluster: packed(filter.cluster.as_deref()),
        }
    }

    /// Whether the filter selects the instance with these bytes.
    pub(crate) fn selects(&self, packed: &[u8]) -> bool {
        let mut from = Bytes::of(packed);
        let is_next = |from: &mut Bytes<'_>, wanted: &Option<Vec<u8>>| {
            let found = text::skip(from);
            wanted.as_deref().is_none_or(|it| found == Some(it))
        };
        if !self.texts.iter().all(|wanted| is_next(&mut from, wanted)) {
            return false;
        }
        let port = from.number();
        self.port.is_none_or(|wanted| port == Some(wanted)) && is_next(&mut from, &self.cluster)
    }
}
