//! The bytes of 8.0 and later: properties and keep-alives.

use rollcall_proto::{
    common::KeyWithStringValue,
    management::{InstancePingPkg, InstanceProperties},
};

use crate::{decoded, golden};

#[test]
fn instance_properties() {
    golden(
        &[
            b"\x0a\x06orders",  // 1 service
            b"\x12\x05one@1",   // 2 serviceInstance
            b"\x1a\x10",        // 3 properties, 16 bytes
            b"\x0a\x07OS Name", //   1 key
            b"\x12\x05Linux",   //   2 value
        ],
        &InstanceProperties {
            service: "orders".into(),
            service_instance: "one@1".into(),
            properties: vec![KeyWithStringValue {
                key: "OS Name".into(),
                value: "Linux".into(),
            }],
        },
    );
}

#[test]
fn instance_ping_pkg() {
    let ping = InstancePingPkg {
        service: "orders".into(),
        service_instance: "one@1".into(),
    };
    let bytes: &[&[u8]] = &[
        b"\x0a\x06orders", // 1 service
        b"\x12\x05one@1",  // 2 serviceInstance
    ];
    golden(bytes, &ping);
    // Agents since 9.0 also send the layer, which the decoder skips.
    let with_layer: InstancePingPkg = decoded(&[bytes[0], bytes[1], b"\x1a\x07GENERAL"]);
    assert_eq!(with_layer, ping);
}
