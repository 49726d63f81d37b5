//! Stores of earlier releases, and their contents.
//!
//! `fixtures/v1.redb` and `fixtures/v1.etcd` were written by release 0.1.0: [`first`], [`more`] and [`changed`] in a batch each.

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Application, Generation, Instance, Properties, Row, SpanType},
    liveness::Signal,
};

use super::{
    LastSeen,
    contract::{Contents, address, application, apply, instance, operation, seen},
};

/// The file of an embedded store of version 1.
pub(super) const EMBEDDED_V1: &[u8] = include_bytes!("fixtures/v1.redb");
/// The keys of a store of version 1 in etcd, each with its value in hexadecimal.
const ETCD_V1: &str = include_str!("fixtures/v1.etcd");

/// The keys and values of a store of version 1 in etcd.
pub(super) fn etcd_v1() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    ETCD_V1.lines().map(move |line| {
        let (key, value) = line.split_once(' ').unwrap();
        (key, value.as_bytes().chunks(2).map(byte).collect())
    })
}

/// The contents of the stores of version 1.
pub(super) fn v1() -> Contents {
    let mut contents = Contents::new();
    for rows in [first(), more(), changed()] {
        apply(&mut contents, &rows, &[]);
    }
    apply(&mut contents, &[], &last_seen());
    contents
}

fn first() -> Vec<Row> {
    let reserved = Application {
        id: ApplicationId::new(1).unwrap(),
        code: None,
        registered_at: Timestamp::from_millis(1_500_000_000_001),
        alias_of: None,
    };
    vec![
        Row::Application(reserved),
        application(-1, "orders"),
        instance(1, "5a3c"),
        operation(1, None),
        operation(-1, Some((-1, SpanType::Entry, "/orders"))),
        operation(2, Some((-1, SpanType::Exit, "mysql"))),
        operation(-2, Some((-1, SpanType::Local, "Job.run"))),
        address(-1, Some("10.0.0.1:3306")),
    ]
}

fn more() -> Vec<Row> {
    let adopted = Instance {
        id: InstanceId::new(70).unwrap(),
        application: None,
        uuid: None,
        registered_at: Timestamp::from_millis(1_500_000_000_070),
        generation: None,
        adopted: true,
        properties: Properties::default(),
    };
    vec![
        process(2, "v3", Generation::V3, "2"),
        process(3, "v6", Generation::V6, "3"),
        process(4, "v8", Generation::V8, "4"),
        Row::Instance(adopted),
    ]
}

fn changed() -> Vec<Row> {
    vec![process(1, "5a3c", Generation::V5, "4712")]
}

/// An instance that reported only its process number.
pub(super) fn process(id: i32, uuid: &str, generation: Generation, number: &str) -> Row {
    let Row::Instance(row) = instance(id, uuid) else {
        unreachable!("the row is an instance")
    };
    Row::Instance(Instance {
        generation: Some(generation),
        properties: [("process_no", number)].into_iter().collect(),
        ..row
    })
}

fn last_seen() -> Vec<LastSeen> {
    let signals = [
        Signal::Register,
        Signal::Recover,
        Signal::Heartbeat,
        Signal::JvmMetrics,
        Signal::TraceSegment,
        Signal::Telemetry,
        Signal::Poll,
    ];
    let each = (1..).zip(signals);
    let each =
        each.map(|(id, signal)| seen(id, 1_500_000_100_000 + i64::from(id), signal, id == 2));
    let adopted = seen(70, 1_500_000_100_070, Signal::Heartbeat, false);
    each.chain([adopted]).collect()
}
