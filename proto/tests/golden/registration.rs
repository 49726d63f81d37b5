//! The bytes of 3.2.6 and 5.x: applications, instances, service names, network addresses.

use rollcall_proto::{
    application::{Application, ApplicationMapping},
    common::{Downstream, KeyWithIntegerValue, KeyWithStringValue, SpanType},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, OsInfo,
    },
    network_address::{NetworkAddressMappings, NetworkAddresses},
    service_name::{
        ServiceNameCollection, ServiceNameElement, ServiceNameMappingCollection,
        ServiceNameMappingElement,
    },
};

use crate::{MINUS_1, NEW_YEAR_2018, NEW_YEAR_2018_MILLIS, decoded, golden};

/// The declaration of `Application` in 5.x agents.
#[derive(Clone, PartialEq, prost::Message)]
struct SingularApplication {
    #[prost(string, tag = "1")]
    application_code: String,
}

/// The declaration of `ApplicationMapping` in 5.x agents.
#[derive(Clone, PartialEq, prost::Message)]
struct SingularApplicationMapping {
    #[prost(message, optional, tag = "1")]
    application: Option<KeyWithIntegerValue>,
}

fn mapping(key: &str, value: i32) -> KeyWithIntegerValue {
    KeyWithIntegerValue {
        key: key.into(),
        value,
    }
}

#[test]
fn application_3_2_6() {
    golden(
        &[
            b"\x0a\x06orders",   // 1 applicationCode
            b"\x0a\x0810.0.0.9", // 1 applicationCode, a peer
        ],
        &Application {
            application_code: vec!["orders".into(), "10.0.0.9".into()],
        },
    );
}

#[test]
fn application_5_x() {
    let bytes: &[&[u8]] = &[b"\x0a\x06orders"]; // 1 applicationCode
    golden(
        bytes,
        &Application {
            application_code: vec!["orders".into()],
        },
    );
    golden(
        bytes,
        &SingularApplication {
            application_code: "orders".into(),
        },
    );
}

#[test]
fn application_mapping_3_2_6() {
    golden(
        &[
            b"\x0a\x13",       // 1 application, 19 bytes
            b"\x0a\x06orders", //   1 key
            b"\x10",
            &MINUS_1,       //   2 value
            b"\x0a\x07",    // 1 application, 7 bytes
            b"\x0a\x03pay", //   1 key
            b"\x10\x02",    //   2 value
        ],
        &ApplicationMapping {
            application: vec![mapping("orders", -1), mapping("pay", 2)],
        },
    );
}

#[test]
fn application_mapping_5_x() {
    let bytes: &[&[u8]] = &[
        b"\x0a\x13",       // 1 application, 19 bytes
        b"\x0a\x06orders", //   1 key
        b"\x10",
        &MINUS_1, //   2 value
    ];
    golden(
        bytes,
        &ApplicationMapping {
            application: vec![mapping("orders", -1)],
        },
    );
    golden(
        bytes,
        &SingularApplicationMapping {
            application: Some(mapping("orders", -1)),
        },
    );
}

#[test]
fn a_5_x_reader_keeps_the_last_of_several_mappings() {
    let two: &[&[u8]] = &[
        b"\x0a\x0a\x0a\x06orders\x10\x02", // 1 application
        b"\x0a\x07\x0a\x03pay\x10\x03",    // 1 application
    ];
    assert_eq!(
        decoded::<SingularApplicationMapping>(two).application,
        Some(mapping("pay", 3))
    );
}

#[test]
fn an_empty_mapping_has_no_bytes() {
    golden(&[], &ApplicationMapping::default());
    golden(&[], &SingularApplicationMapping::default());
}

#[test]
fn instance_of_both_generations() {
    golden(
        &[
            b"\x08",
            &MINUS_1,            // 1 applicationId
            b"\x12\x08deadbeef", // 2 agentUUID
            b"\x18",
            &NEW_YEAR_2018,      // 3 registerTime
            b"\x22\x23",         // 4 osinfo, 35 bytes
            b"\x0a\x05Linux",    //   1 osName
            b"\x12\x05node1",    //   2 hostname
            b"\x18\xd2\x09",     //   3 processNo
            b"\x22\x0810.0.0.1", //   4 ipv4s
            b"\x22\x0610.1.1",   //   4 ipv4s
        ],
        &ApplicationInstance {
            application_id: -1,
            agent_uuid: "deadbeef".into(),
            register_time: NEW_YEAR_2018_MILLIS,
            osinfo: Some(OsInfo {
                os_name: "Linux".into(),
                hostname: "node1".into(),
                process_no: 1234,
                ipv4s: vec!["10.0.0.1".into(), "10.1.1".into()],
            }),
        },
    );
}

#[test]
fn instance_mapping_of_both_generations() {
    golden(
        &[
            b"\x08",
            &MINUS_1,        // 1 applicationId
            b"\x10\x96\x01", // 2 applicationInstanceId
        ],
        &ApplicationInstanceMapping {
            application_id: -1,
            application_instance_id: 150,
        },
    );
}

#[test]
fn an_instance_without_an_id_has_no_field() {
    golden(
        &[b"\x08\x02"], // 1 applicationId
        &ApplicationInstanceMapping {
            application_id: 2,
            application_instance_id: 0,
        },
    );
}

#[test]
fn instance_recover_3_2_6() {
    golden(
        &[
            b"\x08",
            &MINUS_1,    // 1 applicationId
            b"\x10\x07", // 2 applicationInstanceId
            b"\x18",
            &NEW_YEAR_2018,   // 3 registerTime
            b"\x22\x07",      // 4 osinfo, 7 bytes
            b"\x12\x05node1", //   2 hostname
        ],
        &ApplicationInstanceRecover {
            application_id: -1,
            application_instance_id: 7,
            register_time: NEW_YEAR_2018_MILLIS,
            osinfo: Some(OsInfo {
                hostname: "node1".into(),
                ..OsInfo::default()
            }),
        },
    );
}

#[test]
fn instance_heartbeat_of_both_generations() {
    golden(
        &[
            b"\x08\x07", // 1 applicationInstanceId
            b"\x10",
            &NEW_YEAR_2018, // 2 heartbeatTime
        ],
        &ApplicationInstanceHeartbeat {
            application_instance_id: 7,
            heartbeat_time: NEW_YEAR_2018_MILLIS,
        },
    );
}

#[test]
fn service_names_3_2_6() {
    golden(
        &[
            b"\x0a\x11",     // 1 elements, 17 bytes
            b"\x0a\x04/pay", //   1 serviceName
            b"\x10",
            &MINUS_1, //   2 applicationId
        ],
        &ServiceNameCollection {
            elements: vec![ServiceNameElement {
                service_name: "/pay".into(),
                application_id: -1,
                src_span_type: SpanType::Entry.into(),
            }],
        },
    );
}

#[test]
fn service_names_5_x() {
    golden(
        &[
            b"\x0a\x0a",     // 1 elements, 10 bytes
            b"\x0a\x04/pay", //   1 serviceName
            b"\x10\x02",     //   2 applicationId
            b"\x18\x01",     //   3 srcSpanType
        ],
        &ServiceNameCollection {
            elements: vec![ServiceNameElement {
                service_name: "/pay".into(),
                application_id: 2,
                src_span_type: SpanType::Exit.into(),
            }],
        },
    );
}

#[test]
fn service_name_mappings_3_2_6() {
    golden(
        &[
            b"\x0a\x0c",     // 1 elements, 12 bytes
            b"\x08\x03",     //   1 serviceId
            b"\x12\x08",     //   2 element, 8 bytes
            b"\x0a\x04/pay", //     1 serviceName
            b"\x10\x02",     //     2 applicationId
        ],
        &ServiceNameMappingCollection {
            elements: vec![ServiceNameMappingElement {
                service_id: 3,
                element: Some(ServiceNameElement {
                    service_name: "/pay".into(),
                    application_id: 2,
                    src_span_type: SpanType::Entry.into(),
                }),
            }],
        },
    );
}

#[test]
fn service_name_mappings_5_x_echo_the_span_type() {
    golden(
        &[
            b"\x0a\x17", // 1 elements, 23 bytes
            b"\x08",
            &MINUS_1,        //   1 serviceId
            b"\x12\x0a",     //   2 element, 10 bytes
            b"\x0a\x04/pay", //     1 serviceName
            b"\x10\x02",     //     2 applicationId
            b"\x18\x02",     //     3 srcSpanType
        ],
        &ServiceNameMappingCollection {
            elements: vec![ServiceNameMappingElement {
                service_id: -1,
                element: Some(ServiceNameElement {
                    service_name: "/pay".into(),
                    application_id: 2,
                    src_span_type: SpanType::Local.into(),
                }),
            }],
        },
    );
}

#[test]
fn network_addresses_5_x() {
    golden(
        &[
            b"\x0a\x07db:3306",   // 1 addresses
            b"\x0a\x09a:1,b:2:3", // 1 addresses, a list
        ],
        &NetworkAddresses {
            addresses: vec!["db:3306".into(), "a:1,b:2:3".into()],
        },
    );
}

#[test]
fn network_address_mappings_5_x() {
    golden(
        &[
            b"\x0a\x14",        // 1 addressIds, 20 bytes
            b"\x0a\x07db:3306", //   1 key
            b"\x10",
            &MINUS_1, //   2 value
        ],
        &NetworkAddressMappings {
            address_ids: vec![mapping("db:3306", -1)],
        },
    );
}

#[test]
fn key_with_string_value_of_both_generations() {
    golden(
        &[
            b"\x0a\x03url", // 1 key
            b"\x12\x01/",   // 2 value
        ],
        &KeyWithStringValue {
            key: "url".into(),
            value: "/".into(),
        },
    );
}

#[test]
fn downstream_has_no_bytes() {
    golden(&[], &Downstream {});
}

#[test]
fn the_smallest_and_the_largest_id() {
    golden(
        &[
            b"\x0a\x01a",                                    // 1 key
            b"\x10\x80\x80\x80\x80\xf8\xff\xff\xff\xff\x01", // 2 value
        ],
        &mapping("a", i32::MIN),
    );
    golden(
        &[
            b"\x0a\x01a",                // 1 key
            b"\x10\xff\xff\xff\xff\x07", // 2 value
        ],
        &mapping("a", i32::MAX),
    );
}

#[test]
fn unknown_fields_are_skipped() {
    let message: ApplicationInstanceHeartbeat = decoded(&[
        b"\x1a\x03new",                          // 3, length-delimited
        b"\x08\x07",                             // 1 applicationInstanceId
        b"\x21\x00\x00\x00\x00\x00\x00\x00\x00", // 4, eight bytes
        b"\x2d\x00\x00\x00\x00",                 // 5, four bytes
        b"\xf8\xff\xff\xff\x0f\x01",             // 536870911, varint
    ]);
    assert_eq!(message.application_instance_id, 7);
    assert_eq!(message.heartbeat_time, 0);
}

#[test]
fn an_unknown_span_type_is_kept_unchanged() {
    golden(
        &[b"\x18\x09"], // 3 srcSpanType
        &ServiceNameElement {
            src_span_type: 9,
            ..ServiceNameElement::default()
        },
    );
}
