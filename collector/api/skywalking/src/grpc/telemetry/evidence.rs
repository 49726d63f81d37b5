//! Extracts the evidence in telemetry messages: which instances are alive, and which ids their senders hold.
//!
//! It reads only the fields with that evidence and decodes nothing. Each message is counted while it is read, so a message with too
//! many elements is refused, however small they are.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use bytes::Bytes;
use rollcall_domain::{AddressId, ApplicationId, InstanceId, OperationId};
use rollcall_limits::Count;
use rollcall_protobuf::{self as protobuf, Fields, Malformed, Value};
use rollcall_service::{
    heartbeat::{self, Sign},
    register::{ForeignId, InstanceName},
};

use super::{
    sender::{self, Sender},
    table::{Payload, TelemetryCall},
};
use crate::{event::Announcement, grpc::shape::Refused};

/// The evidence of several messages.
#[derive(Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The service and the instance of senders that are identified by names.
    pub(super) names: HashSet<(Cow<'a, str>, Cow<'a, str>)>,
    /// The names of senders that announce their stop.
    pub(super) goodbyes: HashSet<(Cow<'a, str>, Cow<'a, str>)>,
    /// Signs of life of senders identified by ids.
    pub(super) signs: HashMap<InstanceId, Sign>,
    /// Signs of life of senders that drop unknown ids. So these ids are not adopted.
    pub(super) resettable: HashMap<InstanceId, Sign>,
    /// Other ids that the senders hold.
    pub(super) held: HashSet<ForeignId>,
    /// Messages that were read.
    pub(super) messages: u64,
    /// Segments that could not be read.
    pub(super) undecodable: u64,
}

/// A [`Sender`] that owns its names.
#[derive(Debug)]
pub(super) enum OwnedSender {
    Id(InstanceId),
    Name(String, String),
}

impl OwnedSender {
    /// Reports how far its clock is ahead, in milliseconds.
    pub(super) fn report_clock(&self, heartbeat: &heartbeat::Handle, skew: i32) {
        match self {
            Self::Id(instance) => heartbeat.report_clock(*instance, Some(skew)),
            Self::Name(service, instance) => {
                heartbeat.report_clock_of(InstanceName { service, instance }, Some(skew));
            }
        }
    }
}

/// How to read the messages of one call.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) row: &'static TelemetryCall,
    /// Whether the caller drops ids that this collector does not know.
    pub(super) resettable: bool,
    /// An empty count with the limits of a message.
    pub(super) count: Count,
}

/// The field numbers of the ids in a segment, by the generation of its sender.
#[derive(Clone, Copy, Debug)]
struct Layout {
    spans: u32,
    application: u32,
    instance: u32,
    operation: u32,
    peer: u32,
    held_peer: fn(i32) -> Option<ForeignId>,
}

/// 3.2.6, where peers are applications.
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

/// The field that distinguishes the layouts. It contains the spans in 3.2.6, and the application in later generations.
const DISTINGUISHING: u32 = 3;

impl Reader {
    /// Reads messages.
    ///
    /// # Errors
    /// A message has too many elements.
    pub(super) fn read<'a>(&self, messages: &'a [Bytes]) -> Result<Evidence<'a>, Refused> {
        let mut evidence = Evidence::default();
        for message in messages {
            let mut count = self.count.clone();
            match self.row.payload {
                Payload::Upstream => {
                    let segment = sender::segment(message, &mut count)?.unwrap_or_default();
                    self.read_segment(segment, &mut count, &mut evidence)?;
                }
                Payload::Segments => match sender::segment_of_6x(message, &mut count)? {
                    Some(segment) => self.read_segment(segment, &mut count, &mut evidence)?,
                    None => self.read_senders(message, &mut count, &mut evidence)?,
                },
                Payload::Events => self.read_event(message, &mut count, &mut evidence)?,
                Payload::Other => self.read_senders(message, &mut count, &mut evidence)?,
            }
        }
        Ok(evidence)
    }

    /// Reads an event. Only the announcements of an agent about its own process are evidence; other events are counted.
    fn read_event<'a>(
        &self,
        message: &'a [u8],
        count: &mut Count,
        evidence: &mut Evidence<'a>,
    ) -> Result<(), Refused> {
        evidence.messages += 1;
        let announcement = sender::announcement(message);
        self.row.sender.senders(message, count, |sender| {
            let Sender::Name(InstanceName { service, instance }) = sender else {
                return;
            };
            let name = (service.into(), instance.into());
            match announcement {
                Some(Announcement::Start) => {
                    evidence.goodbyes.remove(&name);
                    evidence.names.insert(name);
                }
                Some(Announcement::Shutdown) => {
                    evidence.goodbyes.insert(name);
                }
                None => {}
            }
        })
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
        self.row.sender.senders(message, count, add)
    }

    fn add(
        &self,
        evidence: &mut Evidence<'_>,
        instance: InstanceId,
        application: Option<ApplicationId>,
    ) {
        let signs = if self.resettable {
            &mut evidence.resettable
        } else {
            &mut evidence.signs
        };
        let sign = Sign {
            instance,
            application,
            signal: self.row.signal,
        };
        signs.insert(instance, sign);
    }

    /// Reads a segment that carries ids. An unreadable segment is counted and does not affect the others.
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
    /// This evidence with owned names.
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

    /// The sender of one message. If there are several senders, any of them.
    pub(super) fn sender(&self) -> Option<OwnedSender> {
        let id = self.signs.keys().chain(self.resettable.keys()).next();
        let id = id.map(|instance| OwnedSender::Id(*instance));
        id.or_else(|| {
            let (service, instance) = self.names.iter().next()?;
            Some(OwnedSender::Name(service.to_string(), instance.to_string()))
        })
    }

    /// Whether no sender was found.
    pub(super) fn is_anonymous(&self) -> bool {
        self.names.is_empty() && self.signs.is_empty() && self.resettable.is_empty()
    }
}

/// The ids in a segment. References to other segments are not read: their ids belong to other processes.
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
            (DISTINGUISHING, Value::Bytes(_)) => return Ok(V3),
            (DISTINGUISHING, Value::Varint(_)) => return Ok(V5),
            (DISTINGUISHING, Value::Fixed) => break,
            _ => {}
        }
    }
    Err(Refused::Malformed)
}
