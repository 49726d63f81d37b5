//! Counters of refusals to peers, by reason and by the class of their address.

use std::array;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::{Class, Peer};

/// The counters of every reason. Cheap to clone; clones are the same family.
#[derive(Clone, Debug, Default)]
pub struct RefusalsFamily(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
    peer: &'static str,
}

/// The counters of one reason, resolved once so that counting is one atomic addition.
#[derive(Clone, Debug)]
pub struct Refusals([Counter; 3]);

impl RefusalsFamily {
    /// Adds the family to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "peer_refused",
            "New ids and messages refused to a peer at a limit, by reason and class of its address (loopback, private or public)",
            self.0.clone(),
        );
    }

    /// The counters of one reason: a plural noun for the kind of new id, or `max_batch` for messages.
    #[must_use]
    pub fn reason(&self, reason: &'static str) -> Refusals {
        Refusals(array::from_fn(|place| {
            let peer = Class::ALL[place].label();
            self.0.get_or_create_owned(&Labels { reason, peer })
        }))
    }
}

impl Refusals {
    /// Counts refusals to a peer.
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
