//! The stored form of the inventory's rows, for every store: protobuf messages whose fields `embedded.rs` describes.
//!
//! [`encode`] and [`decode`] are the values of the embedded store; [`row`] is a row within another message, and [`entry`] a batch
//! as an entry of the log. Nothing here knows where values are stored.

pub(crate) mod entry;
pub(crate) mod row;

use std::{num::NonZeroU32, time::Duration};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId, Timestamp,
    inventory::{
        Address, Application, Generation, Instance, InstanceView, Operation, OperationKey,
        PropertiesBuffer, SpanType,
    },
    liveness::{Signal, State},
    membership::Tag,
};
use rollcall_protobuf::{self as protobuf, Fields, Malformed, Value};

use crate::LastSeen;

/// Why a value cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("checksum mismatch")]
    Checksum,
    #[error(transparent)]
    Message(#[from] Malformed),
    #[error("{field} has the unknown value {value}")]
    Unknown { field: &'static str, value: u64 },
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// An entry of a table: an id and the message stored under it.
pub(crate) trait Entry: Sized {
    /// The table's number in checksums, so that a value is valid in its own table only.
    const TAG: u8;

    fn id(&self) -> i32;
    fn write(&self, message: &mut Vec<u8>);
    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid>;
}

/// Replaces `out` with the value of `entry`.
pub(crate) fn encode<E: Entry>(entry: &E, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; 4]);
    entry.write(out);
    if let Some((place, message)) = out.split_first_chunk_mut() {
        *place = checksum(E::TAG, entry.id(), message).to_le_bytes();
    }
}

/// Decodes the entry that `value` holds under `id`.
pub(crate) fn decode<E: Entry>(id: i32, value: &[u8]) -> Result<E, Invalid> {
    E::read(id, verified::<E>(id, value)?)
}

/// Verifies the checksum of the entry that `value` holds under `id`.
pub(crate) fn verify<E: Entry>(id: i32, value: &[u8]) -> Result<(), Invalid> {
    verified::<E>(id, value).map(drop)
}

/// As [`decode`], for an instance that borrows the texts of `value`. Its properties are encoded in `properties`.
pub(crate) fn decode_instance<'a>(
    id: i32,
    value: &'a [u8],
    properties: &'a mut PropertiesBuffer,
) -> Result<InstanceView<'a>, Invalid> {
    read_instance(id, verified::<Instance>(id, value)?, properties)
}

/// The message of a value whose checksum is right.
fn verified<E: Entry>(id: i32, value: &[u8]) -> Result<Fields<'_>, Invalid> {
    let (found, message) = value.split_first_chunk().ok_or(Invalid::Checksum)?;
    if u32::from_le_bytes(*found) != checksum(E::TAG, id, message) {
        return Err(Invalid::Checksum);
    }
    Ok(Fields::of(message))
}

fn checksum(tag: u8, id: i32, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(&id.to_le_bytes());
    hasher.update(message);
    hasher.finalize()
}

impl Entry for Application {
    const TAG: u8 = 1;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn write(&self, message: &mut Vec<u8>) {
        if let Some(code) = &self.code {
            protobuf::put_text(message, 1, code);
        }
        protobuf::put_int64(message, 2, self.registered_at.millis());
        if let Some(of) = self.alias_of {
            protobuf::put_sint32(message, 3, of.get());
        }
    }

    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid> {
        let mut row = Self {
            id: ApplicationId::new(id).ok_or(Invalid::Missing("application id"))?,
            code: None,
            registered_at: Timestamp::from_millis(0),
            alias_of: None,
        };
        for field in message {
            match field? {
                (1, Value::Bytes(code)) => row.code = Some(protobuf::text(code)?.into()),
                (2, Value::Varint(millis)) => row.registered_at = timestamp(millis),
                (3, Value::Varint(id)) => row.alias_of = ApplicationId::new(protobuf::sint32(id)?),
                _ => {}
            }
        }
        Ok(row)
    }
}

impl Entry for Instance {
    const TAG: u8 = 2;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn write(&self, message: &mut Vec<u8>) {
        protobuf::put_sint32(message, 1, self.application.map_or(0, ApplicationId::get));
        if let Some(uuid) = &self.uuid {
            protobuf::put_text(message, 2, uuid);
        }
        protobuf::put_int64(message, 3, self.registered_at.millis());
        let generation = self.generation.map_or(0, Generation::number);
        protobuf::put_varint(message, 4, generation.into());
        protobuf::put_varint(message, 5, u64::from(self.adopted));
        for property in self.properties.iter() {
            protobuf::put_pair(message, 6, property);
        }
    }

    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid> {
        read_instance(id, message, &mut PropertiesBuffer::default()).map(Into::into)
    }
}

fn read_instance<'a>(
    id: i32,
    message: Fields<'a>,
    properties: &'a mut PropertiesBuffer,
) -> Result<InstanceView<'a>, Invalid> {
    let id = InstanceId::new(id).ok_or(Invalid::Missing("instance id"))?;
    let (mut application, mut uuid, mut registered_at) = (None, None, Timestamp::from_millis(0));
    let (mut generation, mut adopted) = (None, false);
    properties.clear();
    for field in message {
        match field? {
            (1, Value::Varint(id)) => application = ApplicationId::new(protobuf::sint32(id)?),
            (2, Value::Bytes(text)) => uuid = Some(protobuf::text(text)?),
            (3, Value::Varint(millis)) => registered_at = timestamp(millis),
            (4, Value::Varint(value)) => {
                generation = Generation::from_number(number("generation", value)?);
            }
            (5, Value::Varint(value)) => adopted = value != 0,
            (6, Value::Bytes(pair)) => {
                let (name, value) = property(pair)?;
                properties.push(name, value);
            }
            _ => {}
        }
    }
    Ok(InstanceView {
        id,
        application,
        uuid,
        registered_at,
        generation,
        adopted,
        properties: properties.view(),
    })
}

fn property(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let (mut name, mut value) = ("", "");
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(bytes)) => name = protobuf::text(bytes)?,
            (2, Value::Bytes(bytes)) => value = protobuf::text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

impl Entry for Operation {
    const TAG: u8 = 3;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn write(&self, message: &mut Vec<u8>) {
        if let Some(key) = &self.key {
            protobuf::put_sint32(message, 1, key.application.get());
            protobuf::put_varint(message, 2, key.span_type.number().into());
            protobuf::put_text(message, 3, &key.name);
        }
    }

    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid> {
        let (mut application, mut span_number, mut name) = (None, 0, "");
        for field in message {
            match field? {
                (1, Value::Varint(id)) => application = ApplicationId::new(protobuf::sint32(id)?),
                (2, Value::Varint(number)) => span_number = number,
                (3, Value::Bytes(bytes)) => name = protobuf::text(bytes)?,
                _ => {}
            }
        }
        let span_type = SpanType::from_number(number("span type", span_number)?);
        Ok(Self {
            id: OperationId::new(id).ok_or(Invalid::Missing("operation id"))?,
            key: application.map(|application| OperationKey {
                application,
                span_type,
                name: name.into(),
            }),
        })
    }
}

impl Entry for Address {
    const TAG: u8 = 4;

    fn id(&self) -> i32 {
        self.id.get()
    }

    fn write(&self, message: &mut Vec<u8>) {
        if let Some(address) = &self.address {
            protobuf::put_text(message, 1, address);
        }
    }

    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid> {
        let mut row = Self {
            id: AddressId::new(id).ok_or(Invalid::Missing("address id"))?,
            address: None,
        };
        for field in message {
            if let (1, Value::Bytes(address)) = field? {
                row.address = Some(protobuf::text(address)?.into());
            }
        }
        Ok(row)
    }
}

impl Entry for LastSeen {
    const TAG: u8 = 5;

    fn id(&self) -> i32 {
        self.instance.get()
    }

    fn write(&self, message: &mut Vec<u8>) {
        protobuf::put_int64(message, 1, self.last_seen.millis());
        protobuf::put_varint(message, 2, self.signal.code().into());
        // A build that does not know field 5 reads the state `left` as `down`.
        protobuf::put_varint(message, 3, u64::from(self.state >= State::Down));
        protobuf::put_varint(message, 4, u64::from(self.state == State::Silent));
        protobuf::put_varint(message, 5, u64::from(self.state == State::Left));
        let usual = u64::try_from(self.usual.as_millis()).unwrap_or(u64::MAX);
        protobuf::put_varint(message, 6, usual);
        let observer = self.observer.map_or(0, |member| member.get().get());
        protobuf::put_varint(message, 7, observer.into());
        protobuf::put_varint(message, 8, u64::from(self.forgotten));
    }

    fn read(id: i32, message: Fields<'_>) -> Result<Self, Invalid> {
        let (mut last_seen, mut received, mut state) = (Timestamp::from_millis(0), None, State::Up);
        let (mut usual, mut observer, mut forgotten) = (Duration::ZERO, None, false);
        for field in message {
            match field? {
                (1, Value::Varint(millis)) => last_seen = timestamp(millis),
                (2, Value::Varint(number)) => received = Some(signal(number)?),
                (3, Value::Varint(1)) => state = State::Down,
                (4, Value::Varint(1)) => state = State::Silent,
                (5, Value::Varint(1)) => state = State::Left,
                (6, Value::Varint(millis)) => usual = Duration::from_millis(millis),
                (7, Value::Varint(number)) => observer = tag(number),
                (8, Value::Varint(1)) => forgotten = true,
                _ => {}
            }
        }
        Ok(Self {
            instance: InstanceId::new(id).ok_or(Invalid::Missing("instance id"))?,
            last_seen,
            signal: received.ok_or(Invalid::Missing("signal"))?,
            state,
            usual,
            observer,
            forgotten,
        })
    }
}

/// The tag of a member; `None` for 0 and for a number that no member has.
fn tag(number: u64) -> Option<Tag> {
    let number = u32::try_from(number).ok()?;
    NonZeroU32::new(number).map(Tag::from)
}

const fn timestamp(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis.cast_signed())
}

/// Reads the number of an enumeration: one byte in every release, so that the numbers of later releases are kept.
fn number(field: &'static str, value: u64) -> Result<u8, Invalid> {
    u8::try_from(value).map_err(|_larger| Invalid::Unknown { field, value })
}

fn signal(value: u64) -> Result<Signal, Invalid> {
    let signal = Signal::from_code(number("signal", value)?);
    let field = "signal";
    signal.ok_or(Invalid::Unknown { field, value })
}
