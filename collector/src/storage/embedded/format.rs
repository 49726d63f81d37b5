//! The values of the tables: protobuf messages behind a checksum. The parent module describes them field by field.

use prost::Message;
use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId, Timestamp,
    inventory::{
        Address, Application, Generation, Instance, Operation, OperationKey, Properties, SpanType,
    },
    liveness::Signal,
};

use crate::storage::Seen;

/// The version written by this build, and the newest one it reads.
///
/// A new field that an older build may ignore leaves it as it is. Whatever an older build would misread raises it: a
/// new table, a new enumeration value, another meaning of a field.
pub(super) const VERSION: u32 = 1;

/// Why a value cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error("checksum mismatch")]
    Checksum,
    #[error(transparent)]
    Message(#[from] prost::DecodeError),
    #[error("{field} has the unknown value {value}")]
    Unknown { field: &'static str, value: i32 },
    #[error("{0} is 0")]
    ZeroId(&'static str),
}

/// One entry of one table: an id and the message kept under it.
pub(super) trait Entry: Sized {
    type Message: Message + Default;

    /// Tells the tables apart in checksums, so that a value is valid in its own table only.
    const TAG: u8;

    fn id(&self) -> i32;
    fn to_message(&self) -> Self::Message;
    fn from_message(id: i32, message: Self::Message) -> Result<Self, Invalid>;
}

/// Appends the value of `entry` to `out`.
pub(super) fn encode<E: Entry>(entry: &E, out: &mut Vec<u8>) {
    let payload = entry.to_message().encode_to_vec();
    out.extend_from_slice(&checksum(E::TAG, entry.id(), &payload).to_le_bytes());
    out.extend_from_slice(&payload);
}

/// The entry that `value` holds under `id`.
pub(super) fn decode<E: Entry>(id: i32, value: &[u8]) -> Result<E, Invalid> {
    let (found, payload) = value.split_first_chunk().ok_or(Invalid::Checksum)?;
    if u32::from_le_bytes(*found) != checksum(E::TAG, id, payload) {
        return Err(Invalid::Checksum);
    }
    E::from_message(id, E::Message::decode(payload)?)
}

fn checksum(tag: u8, id: i32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(&id.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ApplicationMessage {
    #[prost(string, optional, tag = "1")]
    code: Option<String>,
    #[prost(int64, tag = "2")]
    registered_at: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InstanceMessage {
    #[prost(sint32, tag = "1")]
    application: i32,
    #[prost(string, optional, tag = "2")]
    uuid: Option<String>,
    #[prost(int64, tag = "3")]
    registered_at: i64,
    #[prost(int32, tag = "4")]
    generation: i32,
    #[prost(bool, tag = "5")]
    adopted: bool,
    #[prost(message, repeated, tag = "6")]
    properties: Vec<PropertyMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct PropertyMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperationMessage {
    #[prost(sint32, tag = "1")]
    application: i32,
    #[prost(int32, tag = "2")]
    span_type: i32,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AddressMessage {
    #[prost(string, optional, tag = "1")]
    address: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SeenMessage {
    #[prost(int64, tag = "1")]
    last_seen: i64,
    #[prost(int32, tag = "2")]
    signal: i32,
    #[prost(bool, tag = "3")]
    down: bool,
}

impl Entry for Application {
    type Message = ApplicationMessage;
    const TAG: u8 = 1;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn to_message(&self) -> ApplicationMessage {
        ApplicationMessage {
            code: self.code.as_deref().map(Into::into),
            registered_at: self.registered_at.millis(),
        }
    }

    fn from_message(id: i32, message: ApplicationMessage) -> Result<Self, Invalid> {
        Ok(Self {
            id: ApplicationId::new(id).ok_or(Invalid::ZeroId("application"))?,
            code: message.code.map(Into::into),
            registered_at: Timestamp::from_millis(message.registered_at),
        })
    }
}

impl Entry for Instance {
    type Message = InstanceMessage;
    const TAG: u8 = 2;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn to_message(&self) -> InstanceMessage {
        let property = |(name, value): (&str, &str)| PropertyMessage {
            name: name.into(),
            value: value.into(),
        };
        InstanceMessage {
            application: self.application.map_or(0, ApplicationId::get),
            uuid: self.uuid.as_deref().map(Into::into),
            registered_at: self.registered_at.millis(),
            generation: generation_number(self.generation),
            adopted: self.adopted,
            properties: self.properties.iter().map(property).collect(),
        }
    }

    fn from_message(id: i32, message: InstanceMessage) -> Result<Self, Invalid> {
        let pairs = message.properties.iter();
        let properties: Properties = pairs.map(|p| (&p.name, &p.value)).collect();
        Ok(Self {
            id: InstanceId::new(id).ok_or(Invalid::ZeroId("instance"))?,
            application: ApplicationId::new(message.application),
            uuid: message.uuid.map(Into::into),
            registered_at: Timestamp::from_millis(message.registered_at),
            generation: generation_of(message.generation)?,
            adopted: message.adopted,
            properties,
        })
    }
}

impl Entry for Operation {
    type Message = OperationMessage;
    const TAG: u8 = 3;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn to_message(&self) -> OperationMessage {
        match &self.key {
            None => OperationMessage::default(),
            Some(key) => OperationMessage {
                application: key.application.get(),
                span_type: span_type_number(key.span_type),
                name: (*key.name).into(),
            },
        }
    }

    fn from_message(id: i32, message: OperationMessage) -> Result<Self, Invalid> {
        let key = match ApplicationId::new(message.application) {
            None => None,
            Some(application) => Some(OperationKey {
                application,
                span_type: span_type_of(message.span_type)?,
                name: message.name.into(),
            }),
        };
        let id = OperationId::new(id).ok_or(Invalid::ZeroId("operation"))?;
        Ok(Self { id, key })
    }
}

impl Entry for Address {
    type Message = AddressMessage;
    const TAG: u8 = 4;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn to_message(&self) -> AddressMessage {
        let address = self.address.as_deref().map(Into::into);
        AddressMessage { address }
    }

    fn from_message(id: i32, message: AddressMessage) -> Result<Self, Invalid> {
        Ok(Self {
            id: AddressId::new(id).ok_or(Invalid::ZeroId("address"))?,
            address: message.address.map(Into::into),
        })
    }
}

impl Entry for Seen {
    type Message = SeenMessage;
    const TAG: u8 = 5;

    fn id(&self) -> i32 {
        self.instance.get()
    }

    fn to_message(&self) -> SeenMessage {
        SeenMessage {
            last_seen: self.last_seen.millis(),
            signal: signal_number(self.signal),
            down: self.down,
        }
    }

    fn from_message(id: i32, message: SeenMessage) -> Result<Self, Invalid> {
        Ok(Self {
            instance: InstanceId::new(id).ok_or(Invalid::ZeroId("instance"))?,
            last_seen: Timestamp::from_millis(message.last_seen),
            signal: signal_of(message.signal)?,
            down: message.down,
        })
    }
}

// The numbers on disk are chosen here, so that reordering a domain type cannot change them.

const fn generation_number(generation: Option<Generation>) -> i32 {
    match generation {
        None => 0,
        Some(Generation::V3) => 3,
        Some(Generation::V5) => 5,
    }
}

fn generation_of(value: i32) -> Result<Option<Generation>, Invalid> {
    match value {
        0 => Ok(None),
        3 => Ok(Some(Generation::V3)),
        5 => Ok(Some(Generation::V5)),
        _ => Err(unknown("generation", value)),
    }
}

const fn span_type_number(span_type: SpanType) -> i32 {
    match span_type {
        SpanType::Entry => 0,
        SpanType::Exit => 1,
        SpanType::Local => 2,
    }
}

fn span_type_of(value: i32) -> Result<SpanType, Invalid> {
    match value {
        0 => Ok(SpanType::Entry),
        1 => Ok(SpanType::Exit),
        2 => Ok(SpanType::Local),
        _ => Err(unknown("span type", value)),
    }
}

const fn signal_number(signal: Signal) -> i32 {
    match signal {
        Signal::Register => 1,
        Signal::Recover => 2,
        Signal::Heartbeat => 3,
        Signal::JvmMetrics => 4,
        Signal::TraceSegment => 5,
    }
}

fn signal_of(value: i32) -> Result<Signal, Invalid> {
    match value {
        1 => Ok(Signal::Register),
        2 => Ok(Signal::Recover),
        3 => Ok(Signal::Heartbeat),
        4 => Ok(Signal::JvmMetrics),
        5 => Ok(Signal::TraceSegment),
        _ => Err(unknown("signal", value)),
    }
}

const fn unknown(field: &'static str, value: i32) -> Invalid {
    Invalid::Unknown { field, value }
}
