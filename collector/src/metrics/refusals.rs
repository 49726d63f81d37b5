//! What peers are refused, by reason and by the class of their address.

use std::array;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::peer::{Class, Peer};

/// The counters of every reason. A cheap clone is the same.
pub(super) type Counters = Family<Labels, Counter>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    reason: &'static str,
    peer: &'static str,
}

/// The counters of one reason, resolved once so that counting is one atomic addition.
#[derive(Clone, Debug)]
pub struct Refusals([Counter; 3]);

impl Refusals {
    pub(super) fn new(family: &Counters, reason: &'static str) -> Self {
        Self(array::from_fn(|place| {
            let peer = Class::ALL[place].label();
            family.get_or_create_owned(&Labels { reason, peer })
        }))
    }

    /// Counts what a peer was refused.
    pub fn count(&self, peer: Peer, refused: usize) {
        let [loopback, private, public] = &self.0;
        match peer.class() {
            Class::Loopback => loopback,
            Class::Private => private,
            Class::Public => public,
        }
        .inc_by(u64::try_from(refused).unwrap_or(u64::MAX));
    }
}
