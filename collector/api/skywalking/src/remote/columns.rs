//! Encodes and decodes registrations as messages between collectors.
//!
//! Numbers and columns are those of 3.2.6 (proto/docs/skywalking.md section 5.4), which form one consistent set:
//!
//! | | graph | node | data | strings | longs | integers |
//! |---|---|---|---|---|---|---|
//! | application | 200 | 10006 | 1 | id, code | | application id |
//! | instance | 201 | 10001 | 2 | id, agent UUID, os_info | register time, heartbeat time | application id, instance id |
//! | operation | 202 | 10000 | 3 | id, service name | | application id, service id |
//! | address | 203 | 206 | 9 | id, network address | | address id, span layer, server type |
//!
//! 3.2.6 has no addresses, so their graph, node and columns are those of 5.x. Their data type is the first one that 3.2.6 lacks, so
//! that a 3.2.6 receiver skips the message; with the type of 5.x, which is 3, it would read a service name.
//!
//! Values without a column in 3.2.6 are in fields 6 and 9, lists of strings and of integers, which 3.2.6 skips as unknown. They
//! cannot be additional columns, because a receiver copies all columns into an array with room only for those that it knows, and a
//! further column fails the stream. Messages of a 3.2.6 collector lack these fields.
//!
//! | | lists of strings | lists of integers |
//! |---|---|---|
//! | instance | properties (name and value in turn); for 8.x, service | generation (3, 5, 6, 8), if it is known |
//! | operation | | span type (0 entry, 1 exit, 2 local) |
//!
//! A missing id is 0, as everywhere on the wire. The receiver ignores the sender's row id (the first string).

use rollcall_domain::properties;
use rollcall_domain::{
    ApplicationId, Timestamp,
    inventory::{Generation, NewInstance, OperationKey, Properties, SpanType},
};
use rollcall_proto::remote::{IntegerList, RemoteData, RemoteMessage, StringList};
use rollcall_service::register::Registration;

use crate::os_info::OsInfoJson;

mod os_info;
#[cfg(test)]
mod tests;

/// Graph, node and data type.
type Kind = (i32, i32, i32);

const APPLICATION: Kind = (200, 10006, 1);
const INSTANCE: Kind = (201, 10001, 2);
const OPERATION: Kind = (202, 10000, 3);
const ADDRESS: Kind = (203, 206, 9);

/// The wire's value for a missing id.
const NO_ID: i32 = 0;
/// The id of an unassigned row, for kinds where upstream does not use the key.
const NO_ROW: &str = "0";

/// Why a message is not a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kind of message is not forwarded between collectors of Rollcall.
    #[error("graph {graph}, node {node} and data type {data} are not a registration")]
    Unknown {
        /// The graph that the message names.
        graph: i32,
        /// The node within the graph.
        node: i32,
        /// The type of the data.
        data: i32,
    },
    /// A column is missing or has an invalid value.
    #[error("the column {0} is missing or cannot be used")]
    Column(&'static str),
}

/// The message for a registration that an agent made at `at`.
#[must_use]
pub fn encode(registration: &Registration, at: Timestamp) -> RemoteMessage {
    let ((graph_id, node_id, remote_data_id), data) = match registration {
        Registration::Application(code) => (APPLICATION, row([code, code], &[NO_ID])),
        Registration::Instance(process) => {
            let application = process.application.get();
            let mut data = instance(&process.uuid, application, &process.properties, at);
            let generation = process.generation.map(|known| i32::from(known.number()));
            data.data_integer_lists = generation.into_iter().map(one_integer).collect();
            (INSTANCE, data)
        }
        Registration::Named {
            service,
            instance: name,
            properties,
        } => {
            let mut data = instance(name, NO_ID, properties, at);
            data.data_integer_lists = vec![one_integer(Generation::V8.number().into())];
            data.data_string_lists.push(strings([&**service]));
            (INSTANCE, data)
        }
        Registration::Operation(key) => {
            let mut data = row([NO_ROW, &key.name], &[key.application.get(), NO_ID]);
            data.data_integer_lists = vec![one_integer(key.span_type.number().into())];
            (OPERATION, data)
        }
        Registration::Address(address) => (ADDRESS, row([address, address], &[NO_ID; 3])),
    };
    RemoteMessage {
        graph_id,
        node_id,
        remote_data_id,
        remote_data: Some(data),
    }
}

/// The registration in a message.
///
/// # Errors
///
/// The message is not a registration, see [`Error`].
pub fn decode(message: RemoteMessage) -> Result<Registration, Error> {
    let data = message.remote_data.unwrap_or_default();
    match (message.graph_id, message.node_id, message.remote_data_id) {
        APPLICATION => Ok(Registration::Application(
            key(&data, "application_code")?.into(),
        )),
        INSTANCE => decode_instance(&data),
        OPERATION => Ok(Registration::Operation(OperationKey {
            application: application(&data)?,
            span_type: span_type(first_integer(&data).unwrap_or_default())?,
            name: key(&data, "service_name")?.into(),
        })),
        ADDRESS => Ok(Registration::Address(key(&data, "network_address")?.into())),
        (graph, node, data) => Err(Error::Unknown { graph, node, data }),
    }
}

// === to columns ===

fn row(strings: [&str; 2], integers: &[i32]) -> RemoteData {
    RemoteData {
        data_strings: strings.map(str::to_owned).into(),
        data_integers: integers.into(),
        ..RemoteData::default()
    }
}

fn instance(uuid: &str, application: i32, properties: &Properties, at: Timestamp) -> RemoteData {
    let mut data = row([NO_ROW, uuid], &[application, NO_ID]);
    data.data_strings.push(os_info::encode(properties));
    data.data_longs = vec![second_bucket(at); 2];
    let pairs = properties.iter().flat_map(|(name, value)| [name, value]);
    data.data_string_lists = vec![strings(pairs)];
    data
}

/// The digits `yyyyMMddHHmmss` as a number, in UTC. Collectors of 3.2.6 write local time and only display it.
fn second_bucket(at: Timestamp) -> i64 {
    let time = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    let digits = time.strftime("%Y%m%d%H%M%S").to_string();
    digits.parse().unwrap_or_default()
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> StringList {
    let value = texts.into_iter().map(str::to_owned).collect();
    StringList { value }
}

fn one_integer(number: i32) -> IntegerList {
    let value = vec![number];
    IntegerList { value }
}

// === from columns ===

/// The second string, which is the key of every row.
fn key<'a>(data: &'a RemoteData, column: &'static str) -> Result<&'a str, Error> {
    let key = data.data_strings.get(1).ok_or(Error::Column(column))?;
    Ok(key)
}

/// The first integer, which is the application of a row that belongs to one.
fn application(data: &RemoteData) -> Result<ApplicationId, Error> {
    let id = data.data_integers.first().copied();
    id.and_then(ApplicationId::new)
        .ok_or(Error::Column("application_id"))
}

fn decode_instance(data: &RemoteData) -> Result<Registration, Error> {
    let uuid = key(data, "agent_uuid")?.into();
    let properties = match data.data_string_lists.first() {
        Some(reported) => reported_in(reported),
        None => os_info(data),
    };
    let service = data.data_string_lists.get(1);
    if let Some(service) = service.and_then(|list| list.value.first()) {
        return Ok(Registration::Named {
            service: service.as_str().into(),
            instance: uuid,
            properties,
        });
    }
    Ok(Registration::Instance(NewInstance {
        application: application(data)?,
        uuid,
        generation: first_integer(data).and_then(generation),
        properties,
    }))
}

fn reported_in(list: &StringList) -> Properties {
    let pairs = list.value.as_chunks().0.iter();
    let pairs = pairs.map(|[name, value]| (name.as_str(), value.as_str()));
    properties::reported(pairs, None)
}

/// The properties that an agent reported to a collector of 3.2.6.
fn os_info(data: &RemoteData) -> Properties {
    let text = data.data_strings.get(2).map_or("", String::as_str);
    match serde_json::from_str::<OsInfoJson>(text) {
        Ok(info) => Properties::from(&info),
        Err(_not_json) => Properties::default(),
    }
}

fn first_integer(data: &RemoteData) -> Option<i32> {
    data.data_integer_lists.first()?.value.first().copied()
}

/// The generation; the number of a later release is kept as it is.
fn generation(number: i32) -> Option<Generation> {
    u8::try_from(number).ok().and_then(Generation::from_number)
}

fn span_type(number: i32) -> Result<SpanType, Error> {
    u8::try_from(number)
        .map(SpanType::from_number)
        .map_err(|_not_a_byte| Error::Column("span type"))
}
