//! Random steps: few endpoints and values, so that they meet.

use proptest::prelude::*;

use super::super::{Endpoint, Kind, Publisher, Registration, connection, metadata};

#[derive(Clone, Debug)]
pub(super) enum Step {
    Register(Who, u8, Said),
    Batch(u8, u8, Vec<Said>),
    Withdraw(u8, u8),
    End(u8),
    Deregister(u8, u8, bool),
    Health(u8, u8, bool, bool),
    Patch(u8, u8, bool, u8),
    Override(u8, u8, Option<bool>, Option<u8>),
    Adopt(u8, u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Connection(u8),
    Address,
    Restored,
}

/// What is registered: few endpoints and values, so that they meet.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) at: u8,
    pub(super) ephemeral: bool,
    pub(super) weight: u8,
    pub(super) enabled: bool,
    pub(super) healthy: bool,
    pub(super) zone: Option<u8>,
}

pub(super) fn at(number: u8) -> Endpoint {
    let cluster = if number.is_multiple_of(2) {
        ""
    } else {
        "other"
    };
    Endpoint::new(&format!("10.0.0.{}", number / 2), 80, cluster).unwrap()
}

impl Said {
    pub(super) fn registration(&self, connection: bool) -> Registration {
        let mut said = Registration::new(at(self.at), Kind::of(self.ephemeral || connection));
        said.weight = f64::from(self.weight);
        said.enabled = self.enabled;
        said.healthy = self.healthy;
        if let Some(zone) = self.zone {
            said.metadata = metadata(&[("zone", if zone == 0 { "a" } else { "b" })]);
        }
        said
    }
}

impl Who {
    pub(super) fn publisher(self, said: &Registration) -> Publisher {
        match self {
            Self::Connection(number) => Publisher::Connection(connection(u64::from(number) + 1)),
            Self::Address => said.endpoint.publisher(),
            Self::Restored => Publisher::Restored,
        }
    }
}

pub(super) fn said_strategy() -> impl Strategy<Value = Said> {
    (
        0..6_u8,
        any::<bool>(),
        0..2_u8,
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(0..2_u8),
    )
        .prop_map(|(at, ephemeral, weight, enabled, healthy, zone)| Said {
            at,
            ephemeral,
            weight,
            enabled,
            healthy,
            zone,
        })
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![
        (0..3_u8).prop_map(Who::Connection),
        Just(Who::Address),
        Just(Who::Restored)
    ];
    let (s, p) = (|| 0..2_u8, || 0..6_u8);
    prop_oneof![
        6 => (who, s(), said_strategy()).prop_map(|(w, s, said)| Step::Register(w, s, said)),
        2 => (0..3_u8, s(), proptest::collection::vec(said_strategy(), 0..4))
            .prop_map(|(w, s, said)| Step::Batch(w, s, said)),
        1 => (0..3_u8, s()).prop_map(|(w, s)| Step::Withdraw(w, s)),
        1 => (0..3_u8).prop_map(Step::End),
        2 => (s(), p(), any::<bool>()).prop_map(|(s, p, e)| Step::Deregister(s, p, e)),
        2 => (s(), p(), any::<bool>(), any::<bool>()).prop_map(|(s, p, e, h)| Step::Health(s, p, e, h)),
        1 => (s(), p(), any::<bool>(), 0..2_u8).prop_map(|(s, p, e, w)| Step::Patch(s, p, e, w)),
        2 => (s(), p(), proptest::option::of(any::<bool>()), proptest::option::of(0..2_u8))
            .prop_map(|(s, p, e, w)| Step::Override(s, p, e, w)),
        1 => (s(), p()).prop_map(|(s, p)| Step::Adopt(s, p)),
    ]
}
