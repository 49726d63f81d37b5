//! Data for the contract tests.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId, Timestamp,
    inventory::{
        Address, Application, Generation, Instance, Operation, OperationKey, Row, SpanType,
    },
    liveness::{Signal, State},
};

use crate::LastSeen;

pub(crate) fn application(id: i32, code: &str) -> Row {
    Row::Application(Application {
        id: ApplicationId::new(id).unwrap(),
        code: Some(code.into()),
        registered_at: Timestamp::from_millis(1_500_000_000_000 + i64::from(id)),
        alias_of: None,
    })
}

pub(crate) fn instance(id: i32, uuid: &str) -> Row {
    Row::Instance(Instance {
        id: InstanceId::new(id).unwrap(),
        application: ApplicationId::new(-1),
        uuid: Some(uuid.into()),
        registered_at: Timestamp::from_millis(1_500_000_000_000),
        generation: Some(Generation::V5),
        adopted: false,
        properties: [
            ("os_name", "Linux"),
            ("host_name", "orders-7f9c6d-2xk4q"),
            ("process_no", "4711"),
            ("ipv4", "10.0.0.1"),
            ("ipv4", "10.0.0.2"),
        ]
        .into_iter()
        .collect(),
    })
}

pub(crate) fn operation(id: i32, key: Option<(i32, SpanType, &str)>) -> Row {
    Row::Operation(Operation {
        id: OperationId::new(id).unwrap(),
        key: key.map(|(application, span_type, name)| OperationKey {
            application: ApplicationId::new(application).unwrap(),
            span_type,
            name: name.into(),
        }),
    })
}

pub(crate) fn address(id: i32, address: Option<&str>) -> Row {
    let id = AddressId::new(id).unwrap();
    let address = address.map(Into::into);
    Row::Address(Address { id, address })
}

pub(crate) fn seen(instance: i32, millis: i64, signal: Signal, down: bool) -> LastSeen {
    let state = if down { State::Down } else { State::Up };
    LastSeen {
        instance: InstanceId::new(instance).unwrap(),
        last_seen: Timestamp::from_millis(millis),
        signal,
        state,
        usual: Duration::ZERO,
        forgotten: false,
        observer: None,
    }
}

/// Rows of adopted ids, without keys.
pub(super) fn adopted(id: i32) -> Vec<Row> {
    let registered_at = Timestamp::from_millis(-1);
    vec![
        Row::Application(Application {
            id: ApplicationId::new(id).unwrap(),
            code: None,
            registered_at,
            alias_of: None,
        }),
        Row::Instance(Instance {
            id: InstanceId::new(id).unwrap(),
            application: None,
            uuid: None,
            registered_at,
            generation: None,
            adopted: true,
            properties: Default::default(),
        }),
        operation(id, None),
        address(id, None),
    ]
}

/// Up to 40 rows and 20 `LastSeen`s, over few enough ids that they are often replaced.
pub(crate) fn random_batch(random: &mut Random, round: usize) -> (Vec<Row>, Vec<LastSeen>) {
    let count = random.below(40);
    let row = |random: &mut Random| {
        let id = i32::try_from(random.below(100)).unwrap() + 1;
        let text: Arc<str> = format!("round {round} {}", random.next()).into();
        match random.below(4) {
            0 => application(-id, &text),
            1 => instance(id, &text),
            2 => operation(id, Some((-id, SpanType::Exit, &text))),
            _ => address(id, Some(&text)),
        }
    };
    let rows = (0..count).map(|_| row(random)).collect();
    let instant = i64::try_from(round).unwrap();
    let all = (0..random.below(20))
        .map(|_| i32::try_from(random.below(100)).unwrap() + 1)
        .map(|id| seen(id, instant, Signal::Heartbeat, id % 3 == 0))
        .collect();
    (rows, all)
}

/// Repeatable randomness (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}
