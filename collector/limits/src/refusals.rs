//! Counters of refusals to peers, by reason and by the class of their address, and the log line that names one of these peers.

use std::{array, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::time::Instant;
use tracing::warn;

use crate::{Class, Peer};

/// The counters of every reason. Cheap to clone; clones are the same family.
#[derive(Clone, Debug, Default)]
pub struct RefusalsFamily(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
    peer: &'static str,
}

/// The least time between two log lines of one reason.
const INTERVAL: Duration = Duration::from_secs(60);

/// The counters of one reason, resolved once. Clones share the limit on log lines.
#[derive(Clone, Debug)]
pub struct Refusals {
    counters: [Counter; 3],
    reason: &'static str,
    /// The key of the limit.
    key: &'static str,
    warned: Arc<Mutex<Option<Instant>>>,
}

impl RefusalsFamily {
    /// Adds the family to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "peer_refused",
            "New ids and messages refused to a peer at a limit, by reason and class of its address (loopback, private or public)",
            self.0.clone(),
        );
    }

    /// The counters of one reason: a plural noun for the kind of new id, or `max_batch` for messages. `key` sets the limit.
    #[must_use]
    pub fn reason(&self, reason: &'static str, key: &'static str) -> Refusals {
        Refusals {
            counters: array::from_fn(|place| {
                let peer = Class::ALL[place].label();
                self.0.get_or_create_owned(&Labels { reason, peer })
            }),
            reason,
            key,
            warned: Arc::default(),
        }
    }
}

impl Refusals {
    /// Counts refusals to a peer. The first peer of each minute is logged: the counters have no addresses, and a line for each
    /// refusal would let a peer fill the log.
    pub fn count(&self, peer: Peer, refused: usize) {
        let [loopback, private, public] = &self.counters;
        match peer.class() {
            Class::Loopback => loopback,
            Class::Private => private,
            Class::Public => public,
        }
        .inc_by(u64::try_from(refused).unwrap_or(u64::MAX));
        if self.is_due(Instant::now()) {
            let (reason, key, class) = (self.reason, self.key, peer.class().label());
            warn!(%peer, class, reason, key, "a peer is refused at a limit, further ones within a minute are only counted");
        }
    }

    /// Whether the interval since the last line has passed. Then the next one begins.
    fn is_due(&self, now: Instant) -> bool {
        let mut warned = self.warned.lock();
        let is_due = warned.is_none_or(|before| now.duration_since(before) >= INTERVAL);
        if is_due {
            *warned = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_a_minute_is_logged_for_each_reason() {
        let family = RefusalsFamily::default();
        let reason = |label| family.reason(label, "register.default.max_new_per_peer");
        let (registrations, adoptions) = (reason("registrations"), reason("adoptions"));
        let begin = Instant::now();
        let due =
            |refusals: &Refusals, millis| refusals.is_due(begin + Duration::from_millis(millis));
        assert!(due(&registrations, 0));
        assert!(
            !due(&registrations.clone(), 59_999),
            "a clone has the same minute"
        );
        assert!(due(&adoptions, 59_999));
        assert!(due(&registrations, 60_000));
        assert!(!due(&registrations, 119_999));
    }
}
