//! The bytes of 6.0.0-beta to 7.0.0: services, instances, endpoints, network addresses, pings and commands.

use rollcall_proto::{
    common::{KeyWithIntegerValue, KeyWithStringValue},
    register::{
        Command, Commands, DetectPoint, Endpoint, EndpointMapping, EndpointMappingElement,
        Endpoints, NetAddressMapping, NetAddresses, Service, ServiceAndNetworkAddressMapping,
        ServiceAndNetworkAddressMappings, ServiceInstance, ServiceInstancePingPkg,
        ServiceInstanceRegisterMapping, ServiceInstances, ServiceRegisterMapping, Services,
    },
};

use crate::{MINUS_1, NEW_YEAR_2018, NEW_YEAR_2018_MILLIS, decoded, golden};

fn mapping(key: &str, value: i32) -> Vec<KeyWithIntegerValue> {
    let key = key.into();
    vec![KeyWithIntegerValue { key, value }]
}

fn pair(key: &str, value: &str) -> KeyWithStringValue {
    KeyWithStringValue {
        key: key.into(),
        value: value.into(),
    }
}

#[test]
fn services() {
    let services = vec![Service {
        service_name: "orders".into(),
    }];
    golden(
        &[
            b"\x0a\x08",       // 1 services, 8 bytes
            b"\x0a\x06orders", //   1 serviceName
        ],
        &Services { services },
    );
}

#[test]
fn unused_fields_of_a_service_are_skipped() {
    let services: Services = decoded(&[
        b"\x0a\x12",       // 1 services, 18 bytes
        b"\x0a\x06orders", //   1 serviceName
        b"\x22\x06",       //   4 properties, 6 bytes
        b"\x0a\x01k",      //     1 key
        b"\x12\x01v",      //     2 value
        b"\x28\x01",       //   5 type (7.0): database
    ]);
    assert_eq!(services.services[0].service_name, "orders");
}

#[test]
fn service_register_mapping() {
    golden(
        &[
            b"\x0a\x13",       // 1 services, 19 bytes
            b"\x0a\x06orders", //   1 key
            b"\x10",
            &MINUS_1, //   2 value
        ],
        &ServiceRegisterMapping {
            services: mapping("orders", -1),
        },
    );
}

#[test]
fn service_instances() {
    golden(
        &[
            b"\x0a\x27", // 1 instances, 39 bytes
            b"\x08",
            &MINUS_1,     //   1 serviceId
            b"\x12\x01u", //   2 instanceUUID
            b"\x18",
            &NEW_YEAR_2018, //   3 time
            b"\x2a\x10",    //   5 properties, 16 bytes
            b"\x0a\x08language",
            b"\x12\x04java",
        ],
        &ServiceInstances {
            instances: vec![ServiceInstance {
                service_id: -1,
                instance_uuid: "u".into(),
                time: NEW_YEAR_2018_MILLIS,
                properties: vec![pair("language", "java")],
            }],
        },
    );
}

#[test]
fn service_instance_register_mapping() {
    golden(
        &[
            b"\x0a\x05",  // 1 serviceInstances, 5 bytes
            b"\x0a\x01u", //   1 key
            b"\x10\x07",  //   2 value
        ],
        &ServiceInstanceRegisterMapping {
            service_instances: mapping("u", 7),
        },
    );
}

#[test]
fn endpoints() {
    golden(
        &[
            b"\x0a\x08",   // 1 endpoints, 8 bytes
            b"\x08\x02",   //   1 serviceId
            b"\x12\x02/x", //   2 endpointName
            b"\x28\x01",   //   5 from: server
        ],
        &Endpoints {
            endpoints: vec![Endpoint {
                service_id: 2,
                endpoint_name: "/x".into(),
                from: DetectPoint::Server.into(),
            }],
        },
    );
}

#[test]
fn endpoint_mapping() {
    golden(
        &[
            b"\x0a\x0a",   // 1 elements, 10 bytes
            b"\x08\x02",   //   1 serviceId
            b"\x12\x02/x", //   2 endpointName
            b"\x18\x05",   //   3 endpointId
            b"\x20\x01",   //   4 from: server
        ],
        &EndpointMapping {
            elements: vec![EndpointMappingElement {
                service_id: 2,
                endpoint_name: "/x".into(),
                endpoint_id: 5,
                from: DetectPoint::Server.into(),
            }],
        },
    );
}

#[test]
fn net_addresses_and_their_mapping() {
    golden(
        &[b"\x0a\x04db:1"], // 1 addresses
        &NetAddresses {
            addresses: vec!["db:1".into()],
        },
    );
    golden(
        &[
            b"\x0a\x08",     // 1 addressIds, 8 bytes
            b"\x0a\x04db:1", //   1 key
            b"\x10\x03",     //   2 value
        ],
        &NetAddressMapping {
            address_ids: mapping("db:1", 3),
        },
    );
}

#[test]
fn service_and_network_address_mappings() {
    golden(
        &[
            b"\x0a\x0c",     // 1 mappings, 12 bytes
            b"\x08\x02",     //   1 serviceId
            b"\x10\x07",     //   2 serviceInstanceId
            b"\x1a\x04db:1", //   3 networkAddress
            b"\x20\x03",     //   4 networkAddressId
        ],
        &ServiceAndNetworkAddressMappings {
            mappings: vec![ServiceAndNetworkAddressMapping {
                service_id: 2,
                service_instance_id: 7,
                network_address: "db:1".into(),
                network_address_id: 3,
            }],
        },
    );
}

#[test]
fn service_instance_ping_pkg() {
    golden(
        &[
            b"\x08\x07", // 1 serviceInstanceId
            b"\x10",
            &NEW_YEAR_2018, // 2 time
            b"\x1a\x01u",   // 3 serviceInstanceUUID
        ],
        &ServiceInstancePingPkg {
            service_instance_id: 7,
            time: NEW_YEAR_2018_MILLIS,
            service_instance_uuid: "u".into(),
        },
    );
}

#[test]
fn commands() {
    golden(&[], &Commands::default());
    golden(
        &[
            b"\x0a\x2b",                        // 1 commands, 43 bytes
            b"\x0a\x14ServiceMetadataReset",    //   1 command
            b"\x12\x13",                        //   2 args, 19 bytes
            b"\x0a\x0cSerialNumber\x12\x03s-1", //     1 key, 2 value
        ],
        &Commands {
            commands: vec![Command {
                command: "ServiceMetadataReset".into(),
                args: vec![pair("SerialNumber", "s-1")],
            }],
        },
    );
}
