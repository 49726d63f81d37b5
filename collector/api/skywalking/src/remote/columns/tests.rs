//! Golden bytes, against the tables of proto/docs/skywalking.md section 5.4, and messages of other senders.

use prost::Message as _;

use super::*;

/// 2018-10-06T05:20:00.123Z.
const AT: Timestamp = Timestamp::from_millis(1_538_803_200_123);
/// -1, as a varint.
const MINUS_1: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
/// 20181006052000 twice, packed.
const TIMES: &[u8] = b"\x12\x0e\xa0\xd5\xc9\x8d\xac\xcb\x04\xa0\xd5\xc9\x8d\xac\xcb\x04";

fn application_id(raw: i32) -> ApplicationId {
    ApplicationId::new(raw).unwrap()
}

fn process(generation: Option<Generation>, properties: &[(&str, &str)]) -> Registration {
    Registration::Instance(NewInstance {
        application: application_id(-1),
        uuid: "u".into(),
        generation,
        properties: properties.into(),
    })
}

fn operation(span_type: SpanType) -> Registration {
    Registration::Operation(OperationKey {
        application: application_id(-1),
        span_type,
        name: "/pay".into(),
    })
}

/// Asserts that this registration encodes to these bytes and that they decode to it.
fn golden(registration: &Registration, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    let sent = encode(registration, AT).encode_to_vec();
    assert_eq!(
        sent.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
    let received = RemoteMessage::decode(&*bytes).unwrap();
    assert_eq!(decode(received).as_ref(), Ok(registration));
}

#[test]
fn application() {
    golden(
        &Registration::Application("orders".into()),
        &[
            b"\x08\xc8\x01",   // 1 graphId, 200
            b"\x10\x96\x4e",   // 2 nodeId, 10006
            b"\x18\x01",       // 3 remoteDataId
            b"\x22\x13",       // 4 remoteData, 19 bytes
            b"\x0a\x06orders", //   1 id
            b"\x0a\x06orders", //   1 application_code
            b"\x22\x01\x00",   //   4 application_id, packed
        ],
    );
}

#[test]
fn instance() {
    let properties = [("os_name", "Linux"), ("process_no", "42"), ("ipv4", "1")];
    golden(
        &process(Some(Generation::V5), &properties),
        &[
            b"\x08\xc9\x01", // 1 graphId, 201
            b"\x10\x91\x4e", // 2 nodeId, 10001
            b"\x18\x02",     // 3 remoteDataId
            b"\x22\x92\x01", // 4 remoteData, 146 bytes
            b"\x0a\x010",    //   1 id
            b"\x0a\x01u",    //   1 agent_uuid
            b"\x0a\x3d",     //   1 os_info
            br#"{"osName":"Linux","hostName":"","processId":42,"ipv4s":["1"]}"#,
            TIMES, //   2 register_time, heartbeat_time
            b"\x22\x0b",
            &MINUS_1,
            b"\x00",     //   4 application_id, instance_id, packed
            b"\x32\x29", //   6 properties
            b"\x0a\x07os_name\x0a\x05Linux",
            b"\x0a\x0aprocess_no\x0a\x0242",
            b"\x0a\x04ipv4\x0a\x011",
            b"\x4a\x03\x0a\x01\x05", // 9 generation
        ],
    );
}

#[test]
fn instance_identified_by_names_alone() {
    golden(
        &Registration::Named {
            service: "orders".into(),
            instance: "u".into(),
            properties: [
                ("OS Name", "Linux"),
                ("hostname", "h"),
                ("Process No.", "7"),
            ]
            .as_slice()
            .into(),
        },
        &[
            b"\x08\xc9\x01", // 1 graphId, 201
            b"\x10\x91\x4e", // 2 nodeId, 10001
            b"\x18\x02",     // 3 remoteDataId
            b"\x22\x94\x01", // 4 remoteData, 148 bytes
            b"\x0a\x010",    //   1 id
            b"\x0a\x01u",    //   1 agent_uuid
            b"\x0a\x3a",     //   1 os_info
            br#"{"osName":"Linux","hostName":"h","processId":7,"ipv4s":[]}"#,
            TIMES,               //   2 register_time, heartbeat_time
            b"\x22\x02\x00\x00", //   4 application_id, instance_id, packed
            b"\x32\x2d",         //   6 properties
            b"\x0a\x07OS Name\x0a\x05Linux",
            b"\x0a\x08hostname\x0a\x01h",
            b"\x0a\x0bProcess No.\x0a\x017",
            b"\x32\x08\x0a\x06orders", // 6 service
            b"\x4a\x03\x0a\x01\x08",   //   9 generation
        ],
    );
}

#[test]
fn operation_of_each_side() {
    for (span_type, number) in [
        (SpanType::Entry, 0),
        (SpanType::Exit, 1),
        (SpanType::Local, 2),
    ] {
        golden(
            &operation(span_type),
            &[
                b"\x08\xca\x01", // 1 graphId, 202
                b"\x10\x90\x4e", // 2 nodeId, 10000
                b"\x18\x03",     // 3 remoteDataId
                b"\x22\x1b",     // 4 remoteData, 27 bytes
                b"\x0a\x010",    //   1 id
                b"\x0a\x04/pay", //   1 service_name
                b"\x22\x0b",
                &MINUS_1,
                b"\x00", //   4 application_id, service_id, packed
                b"\x4a\x03\x0a\x01",
                &[number], //   9 span type
            ],
        );
    }
}

#[test]
fn address() {
    golden(
        &Registration::Address("db:1".into()),
        &[
            b"\x08\xcb\x01",         // 1 graphId, 203
            b"\x10\xce\x01",         // 2 nodeId, 206
            b"\x18\x09",             // 3 remoteDataId
            b"\x22\x11",             // 4 remoteData, 17 bytes
            b"\x0a\x04db:1",         //   1 id
            b"\x0a\x04db:1",         //   1 network_address
            b"\x22\x03\x00\x00\x00", //   4 address_id, span layer, server type, packed
        ],
    );
}

#[test]
fn every_generation_is_transferred_and_an_unknown_one_too() {
    let generations = [
        Generation::V3,
        Generation::V5,
        Generation::V6,
        Generation::V8,
        Generation::Other(9),
    ];
    for generation in generations.map(Some).into_iter().chain([None]) {
        let registration = process(generation, &[("name", "value")]);
        assert_eq!(decode(encode(&registration, AT)), Ok(registration));
    }
}

#[test]
fn a_collector_of_3_2_6_sends_no_more_than_its_columns() {
    let of_3_2_6 = |registration: &Registration| {
        let mut message = encode(registration, AT);
        let data = message.remote_data.as_mut().unwrap();
        data.data_string_lists.clear();
        data.data_integer_lists.clear();
        decode(message)
    };
    let reported = [("os_name", "Linux"), ("process_no", "42"), ("ipv4", "1")];
    assert_eq!(
        of_3_2_6(&process(Some(Generation::V5), &reported)),
        Ok(process(None, &reported))
    );
    assert_eq!(
        of_3_2_6(&operation(SpanType::Exit)),
        Ok(operation(SpanType::Entry))
    );
}

#[test]
fn a_malformed_os_info_is_dropped() {
    let mut message = encode(&process(None, &[]), AT);
    let data = message.remote_data.as_mut().unwrap();
    data.data_string_lists.clear();
    data.data_strings[2] = "not JSON".to_owned();
    assert_eq!(decode(message), Ok(process(None, &[])));
}

#[test]
fn the_error_of_an_invalid_registration_names_the_mistake() {
    let unknown = RemoteMessage {
        graph_id: 412,
        node_id: 4180,
        remote_data_id: 2,
        remote_data: None,
    };
    let error = Error::Unknown {
        graph: 412,
        node: 4180,
        data: 2,
    };
    assert_eq!(decode(unknown), Err(error));

    let without = |registration: &Registration, change: fn(&mut RemoteData)| {
        let mut message = encode(registration, AT);
        change(message.remote_data.as_mut().unwrap());
        decode(message).unwrap_err()
    };
    for (registration, column) in [
        (process(None, &[]), "agent_uuid"),
        (operation(SpanType::Entry), "service_name"),
    ] {
        let error = without(&registration, |data| data.data_strings.truncate(1));
        assert_eq!(error, Error::Column(column));
        let error = without(&registration, |data| data.data_integers[0] = NO_ID);
        assert_eq!(error, Error::Column("application_id"));
    }
    let error = without(&operation(SpanType::Entry), |data| {
        data.data_integer_lists[0].value[0] = 256;
    });
    assert_eq!(error, Error::Column("span type"));
}
