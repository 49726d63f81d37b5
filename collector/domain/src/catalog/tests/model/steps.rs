//! Random steps: few endpoints and values, so that many steps affect the same instance.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::{Endpoint, Kind, Publisher, Registration, connection, metadata};
use crate::catalog::Registrant;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Register(Source, u8, Fields),
    Batch(u8, u8, Vec<Fields>),
    Withdraw(u8, u8),
    End(u8),
    Deregister(u8, u8, bool),
    Health(u8, u8, bool, bool),
    Patch(u8, u8, bool, u8),
    Override(u8, u8, Option<bool>, Option<u8>),
    Adopt(u8, u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Connection(u8),
    Address,
    Restored,
}

/// The fields of a registration.
#[derive(Clone, Debug)]
pub(super) struct Fields {
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

impl Fields {
    pub(super) fn registration(&self, connection: bool) -> Registration {
        let mut registered = Registration::new(at(self.at), Kind::of(self.ephemeral || connection));
        registered.weight = f64::from(self.weight);
        registered.enabled = self.enabled;
        registered.healthy = self.healthy;
        if let Some(zone) = self.zone {
            registered.metadata = metadata(&[("zone", if zone == 0 { "a" } else { "b" })]);
        }
        registered
    }
}

impl Source {
    /// The peer that registers.
    pub(super) fn peer(self) -> Option<IpAddr> {
        match self {
            Self::Connection(number) => Some(IpAddr::from([10, 9, 0, number])),
            Self::Address => Some(IpAddr::from([10, 9, 1, 0])),
            Self::Restored => None,
        }
    }

    pub(super) fn registrant(self, publisher: Publisher) -> Registrant {
        let peer = self.peer();
        Registrant { publisher, peer }
    }

    pub(super) fn publisher(self, registered: &Registration) -> Publisher {
        match self {
            Self::Connection(number) => Publisher::Connection(connection(u64::from(number) + 1)),
            Self::Address => registered.endpoint.publisher(),
            Self::Restored => Publisher::Restored,
        }
    }
}

pub(super) fn fields() -> impl Strategy<Value = Fields> {
    (
        0..6_u8,
        any::<bool>(),
        0..2_u8,
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(0..2_u8),
    )
        .prop_map(|(at, ephemeral, weight, enabled, healthy, zone)| Fields {
            at,
            ephemeral,
            weight,
            enabled,
            healthy,
            zone,
        })
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let source = prop_oneof![
        (0..3_u8).prop_map(Source::Connection),
        Just(Source::Address),
        Just(Source::Restored)
    ];
    let (s, p) = (|| 0..2_u8, || 0..6_u8);
    prop_oneof![
        6 => (source, s(), fields()).prop_map(|(w, s, registered)| Step::Register(w, s, registered)),
        2 => (0..3_u8, s(), proptest::collection::vec(fields(), 0..4))
            .prop_map(|(w, s, registered)| Step::Batch(w, s, registered)),
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
