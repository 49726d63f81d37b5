//! Limits the TLS handshakes that are under way.
//!
//! A handshake takes memory and computing time before anything is known about the peer. At the limit, the newest handshake takes
//! the place of the oldest. An honest peer needs only some milliseconds, so peers that begin handshakes and stay silent displace
//! each other, not honest peers. One peer has at most three quarters of the places; beyond that its handshakes displace its own.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::{MetricType, gauge::ConstGauge};
use rollcall_limits::Peer;
use tokio_util::sync::CancellationToken;

/// The share of the places that one peer may take: three quarters.
const PEER_SHARE: (usize, usize) = (3, 4);

/// The places for handshakes of all listeners. Cheap to clone; clones share the places.
#[derive(Clone, Debug)]
pub struct Handshakes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    per_peer: usize,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    oldest_first: VecDeque<(u64, Peer, CancellationToken)>,
}

/// The place of one handshake, until it is dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    handshakes: Handshakes,
    number: u64,
    /// Cancelled when a newer handshake takes the place.
    pub(super) replaced: CancellationToken,
}

impl Handshakes {
    /// At most `limit` handshakes at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let (part, whole) = PEER_SHARE;
        Self(Arc::new(Shared {
            limit,
            per_peer: (limit / whole).saturating_mul(part).max(1),
            under_way: Mutex::default(),
        }))
    }

    /// Takes a place. If none is free, displaces the oldest handshake.
    pub(super) fn enter(&self, peer: Peer) -> Handshake {
        let mut under_way = self.0.under_way.lock();
        let queue = &mut under_way.oldest_first;
        let of_peer = queue.iter().filter(|(_, other, _)| *other == peer).count();
        let displaced = if of_peer >= self.0.per_peer {
            queue.iter().position(|(_, other, _)| *other == peer)
        } else {
            (queue.len() >= self.0.limit.max(1)).then_some(0)
        };
        if let Some((_, _, oldest)) = displaced.and_then(|at| queue.remove(at)) {
            oldest.cancel();
        }
        let (number, replaced) = (under_way.next, CancellationToken::new());
        under_way.next = number.wrapping_add(1);
        let entry = (number, peer, replaced.clone());
        under_way.oldest_first.push_back(entry);
        Handshake {
            handshakes: self.clone(),
            number,
            replaced,
        }
    }

    fn count(&self) -> usize {
        self.0.under_way.lock().oldest_first.len()
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut under_way = self.handshakes.0.under_way.lock();
        let queue = &mut under_way.oldest_first;
        if let Some(at) = queue.iter().position(|(number, ..)| *number == self.number) {
            queue.remove(at);
        }
    }
}

impl Collector for Handshakes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, value) in [
            (
                "tls_handshakes",
                "TLS handshakes under way now, over all listeners",
                self.count(),
            ),
            (
                "tls_handshakes_limit",
                "Most TLS handshakes under way; a further one displaces the oldest",
                self.0.limit,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
