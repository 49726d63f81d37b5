//! What messages of telemetry prove: which instances live, and which ids their senders hold.
//!
//! Only the fields that say so are read; nothing is decoded. Each message is counted while it is read, so that one with too
//! many elements is refused however small they are.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use bytes::Bytes;
use rollcall_domain::{AddressId, ApplicationId, InstanceId, OperationId};
use rollcall_limits::Count;
use rollcall_protobuf::{self as protobuf, Fields, Malformed, Value};
use rollcall_service::{
    heartbeat::Sign,
    register::{ForeignId, InstanceName},
};

use super::{
    sender::{self, Sender},
    table::{Payload, Quiet},
};
use crate::grpc::shape::Refused;

/// What some messages prove together.
#[derive(Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The service and the instance of senders that are known by names.
    pub(super) names: HashSet<(Cow<'a, str>, Cow<'a, str>)>,
    /// The same of senders that say that they stop.
    pub(super) goodbyes: HashSet<(Cow<'a, str>, Cow<'a, str>)>,
    /// Signs of senders that are known by ids.
    pub(super) signs: HashMap<InstanceId, Sign>,
    /// Senders that give up an id which is unknown here, so that it is not adopted.
    pub(super) resettable: HashSet<InstanceId>,
    /// Other ids that the senders hold.
    pub(super) held: HashSet<ForeignId>,
    /// Messages that were read.
    pub(super) messages: u64,
    /// Segments that could not be.
    pub(super) undecodable: u64,
}

/// How messages of one call are read.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) quiet: &'static Quiet,
    /// Whether the caller gives up ids that are unknown here.
    pub(super) resettable: bool,
    /// Nothing counted, with the limits of a message.
    pub(super) count: Count,
}

/// Where a segment that carries ids has them, by the generation of its sender.
#[derive(Clone, Copy, Debug)]
struct Layout {
    spans: u32,
    application: u32,
    instance: u32,
    operation: u32,
    peer: u32,
    held_peer: fn(i32) -> Option<ForeignId>,
}

/// 3.2.6. Its peers are applications.
const V3: Layout = Layout {
    spans: 3,
    application: 4,
    instance: 5,
    operation: 5,
    peer: 7,
    held_peer: |raw| ApplicationId::new(raw).map(ForeignId::Application),
};

/// 5.x to 7.0.
const V5: Layout = Layout {
    spans: 2,
    application: 3,
    instance: 4,
    operation: 6,
    peer: 8,
    held_peer: |raw| AddressId::new(raw).map(ForeignId::Address),
};

/// The field that tells the layouts apart: 3.2.6 has the spans there, later ones the application.
const TELLING: u32 = 3;

impl Reader {
    /// Reads messages.
    ///
    /// # Errors
    /// One has too many elements.
    pub(super) fn read<'a>(&self, messages: &'a [Bytes]) -> Result<Evidence<'a>, Refused> {
        let mut evidence = Evidence::default();
        for message in messages {
            let mut count = self.count.clone();
            match self.quiet.payload {
                Payload::Upstream => {
                    let segment = sender::segment(message, &mut count)?.unwrap_or_default();
                    self.read_segment(segment, &mut count, &mut evidence)?;
                }
                Payload::Segments => match sender::segment_of_6x(message, &mut count)? {
                    Some(segment) => self.read_segment(segment, &mut count, &mut evidence)?,
                    None => self.read_senders(message, &mut count, &mut evidence)?,
                },
                Payload::Events if sender::is_shutdown(message) => {
                    evidence.messages += 1;
                    let add = |sender| {
                        if let Sender::Name(InstanceName { service, instance }) = sender {
                            evidence.goodbyes.insert((service.into(), instance.into()));
                        }
                    };
                    self.quiet.sender.senders(message, &mut count, add)?;
                }
                Payload::Events | Payload::Other => {
                    self.read_senders(message, &mut count, &mut evidence)?;
                }
            }
        }
        Ok(evidence)
    }

    fn read_senders<'a>(
        &self,
        message: &'a [u8],
        count: &mut Count,
        evidence: &mut Evidence<'a>,
    ) -> Result<(), Refused> {
        evidence.messages += 1;
        let add = |sender| match sender {
            Sender::Name(name) => {
                evidence
                    .names
                    .insert((name.service.into(), name.instance.into()));
            }
            Sender::Id(instance) => self.add(evidence, instance, None),
        };
        self.quiet.sender.senders(message, count, add)
    }

    fn add(
        &self,
        evidence: &mut Evidence<'_>,
        instance: InstanceId,
        application: Option<ApplicationId>,
    ) {
        if self.resettable {
            evidence.resettable.insert(instance);
            return;
        }
        let signal = self.quiet.signal;
        let sign = Sign {
            instance,
            application,
            signal,
        };
        evidence.signs.insert(instance, sign);
    }

    /// Reads a segment that carries ids. One that cannot be read is counted: the others have nothing to do with it.
    fn read_segment(
        &self,
        segment: &[u8],
        count: &mut Count,
        evidence: &mut Evidence<'_>,
    ) -> Result<(), Refused> {
        match Segment::read(segment, count) {
            Ok(segment) => {
                evidence.messages += 1;
                self.add(evidence, segment.instance, Some(segment.application));
                if !self.resettable {
                    evidence.held.extend(segment.held);
                }
                Ok(())
            }
            Err(Refused::Malformed) => {
                evidence.undecodable += 1;
                Ok(())
            }
            Err(refused) => Err(refused),
        }
    }
}

impl Evidence<'_> {
    /// The same without the messages.
    pub(super) fn into_owned(self) -> Evidence<'static> {
        let own = |(service, instance): (Cow<'_, str>, Cow<'_, str>)| {
            (
                Cow::Owned(service.into_owned()),
                Cow::Owned(instance.into_owned()),
            )
        };
        Evidence {
            names: self.names.into_iter().map(own).collect(),
            goodbyes: self.goodbyes.into_iter().map(own).collect(),
            signs: self.signs,
            resettable: self.resettable,
            held: self.held,
            messages: self.messages,
            undecodable: self.undecodable,
        }
    }

    /// Whether no sender was found.
    pub(super) fn is_anonymous(&self) -> bool {
        self.names.is_empty() && self.signs.is_empty() && self.resettable.is_empty()
    }
}

/// What a segment says of its sender. References to other segments are not read: their ids are those of other processes.
#[derive(Debug)]
struct Segment {
    application: ApplicationId,
    instance: InstanceId,
    held: Vec<ForeignId>,
}

impl Segment {
    fn read(segment: &[u8], count: &mut Count) -> Result<Self, Refused> {
        let layout = layout(segment, count)?;
        let (mut application, mut instance, mut held) = (None, None, Vec::new());
        for field in Fields::of(segment) {
            let (number, value) = field?;
            count.field()?;
            match value {
                Value::Bytes(span) if number == layout.spans => {
                    count.elements(1)?;
                    held.extend(layout.held(span, count)?);
                }
                Value::Varint(raw) if number == layout.application => {
                    application = protobuf::int32(raw).and_then(ApplicationId::new);
                }
                Value::Varint(raw) if number == layout.instance => {
                    instance = protobuf::int32(raw).and_then(InstanceId::new);
                }
                _ => {}
            }
        }
        Ok(Self {
            application: application.ok_or(Malformed)?,
            instance: instance.ok_or(Malformed)?,
            held,
        })
    }
}

impl Layout {
    /// The operation and the peer of a span.
    fn held(
        &self,
        span: &[u8],
        count: &mut Count,
    ) -> Result<impl Iterator<Item = ForeignId>, Refused> {
        let (mut operation, mut peer) = (None, None);
        for field in Fields::of(span) {
            let (number, value) = field?;
            count.field()?;
            match value {
                Value::Varint(raw) if number == self.operation => {
                    operation = protobuf::int32(raw)
                        .and_then(OperationId::new)
                        .map(ForeignId::Operation);
                }
                Value::Varint(raw) if number == self.peer => {
                    peer = protobuf::int32(raw).and_then(self.held_peer);
                }
                _ => {}
            }
        }
        Ok(operation.into_iter().chain(peer))
    }
}

fn layout(segment: &[u8], count: &mut Count) -> Result<Layout, Refused> {
    for field in Fields::of(segment) {
        count.field()?;
        match field? {
            (TELLING, Value::Bytes(_)) => return Ok(V3),
            (TELLING, Value::Varint(_)) => return Ok(V5),
            (TELLING, Value::Fixed) => break,
            _ => {}
        }
    }
    Err(Refused::Malformed)
}
