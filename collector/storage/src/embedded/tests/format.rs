//! The bytes of values: every later release must be able to read the values of this one.

use rollcall_domain::{
    inventory::{Address, Application, Generation, Row, SpanType},
    liveness::Signal,
};

use crate::codec::{Entry, Invalid, decode, encode};
use crate::{
    LastSeen,
    contract::{address, application, instance, operation, seen},
    fixtures::process,
};

/// Checks that `entry` is written as this message and read from it.
fn golden<E: Entry + PartialEq + std::fmt::Debug>(entry: &E, message: &[u8]) {
    let mut value = Vec::new();
    encode(entry, &mut value);
    assert_eq!(
        value[4..].escape_ascii().to_string(),
        message.escape_ascii().to_string()
    );
    let mut covered = vec![E::TAG];
    covered.extend(entry.id().to_le_bytes());
    covered.extend(message);
    assert_eq!(value[..4], crc32fast::hash(&covered).to_le_bytes());
    assert_eq!(decode::<E>(entry.id(), &value).unwrap(), *entry);
}

fn an_application() -> Application {
    let Row::Application(row) = application(-1, "orders") else {
        unreachable!()
    };
    row
}

#[test]
fn the_bytes_of_each_table_are_fixed() {
    golden(
        &an_application(),
        b"\x0a\x06orders\x10\xff\xaf\xde\xf7\xd3\x2b",
    );
    let Row::Instance(instance) = instance(7, "5a3c") else {
        unreachable!()
    };
    golden(
        &instance,
        b"\x08\x01\x12\x045a3c\x18\x80\xb0\xde\xf7\xd3\x2b\x20\x05\
          2\x10\x0a\x07os_name\x12\x05Linux\
          2\x20\x0a\x09host_name\x12\x13orders-7f9c6d-2xk4q\
          2\x12\x0a\x0aprocess_no\x12\x044711\
          2\x10\x0a\x04ipv4\x12\x0810.0.0.1\
          2\x10\x0a\x04ipv4\x12\x0810.0.0.2",
    );
    let key = Some((-1, SpanType::Exit, "mysql"));
    let Row::Operation(operation) = operation(-2, key) else {
        unreachable!()
    };
    golden(&operation, b"\x08\x01\x10\x01\x1a\x05mysql");
    let Row::Address(address) = address(3, Some("db:3306")) else {
        unreachable!()
    };
    golden(&address, b"\x0a\x07db:3306");
    golden(
        &seen(7, 1, Signal::JvmMetrics, true),
        b"\x08\x01\x10\x04\x18\x01",
    );
}

#[test]
fn numbers_of_enumerations_of_a_later_release_are_kept() {
    let Row::Instance(row) = process(7, "5a3c", Generation::from_number(9).unwrap(), "1") else {
        unreachable!()
    };
    golden(
        &row,
        b"\x08\x01\x12\x045a3c\x18\x80\xb0\xde\xf7\xd3\x2b\x20\x09\
          2\x0f\x0a\x0aprocess_no\x12\x011",
    );
    let key = Some((-1, SpanType::from_number(200), "queue"));
    let Row::Operation(row) = operation(-2, key) else {
        unreachable!()
    };
    golden(&row, b"\x08\x01\x10\xc8\x01\x1a\x05queue");
    golden(
        &seen(7, 1, Signal::from_code(0x3f).unwrap(), false),
        b"\x08\x01\x10\x3f",
    );
}

#[test]
fn a_value_is_valid_under_its_own_id_and_in_its_own_table_only() {
    let mut value = Vec::new();
    encode(&an_application(), &mut value);
    assert!(matches!(
        decode::<Application>(1, &value),
        Err(Invalid::Checksum)
    ));
    assert!(matches!(
        decode::<Address>(-1, &value),
        Err(Invalid::Checksum)
    ));
    assert!(matches!(
        decode::<LastSeen>(-1, &value[..3]),
        Err(Invalid::Checksum)
    ));
}
