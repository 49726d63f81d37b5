//! The metrics of the push.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::ledger::Counts;

/// Counters and a gauge of the push. Cheap to clone; clones share the counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    pushes: Family<Outcome, Counter>,
    left_out: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "nacos_udp_pushes",
            "Pushes to Nacos 1.x clients over UDP: sent, acknowledged, failed (sent twice, not acknowledged), too_large for a datagram",
            self.pushes.clone(),
        );
        registry.register(
            "nacos_udp_addresses_left_out",
            "Addresses of Nacos 1.x clients whose pushes fail; they get fewer pushes and must poll",
            self.left_out.clone(),
        );
    }

    /// Counts the changes since the totals were `before`.
    pub(super) fn show(&self, before: Counts, now: Counts, failing: usize) {
        for (outcome, count) in [
            ("sent", now.sent - before.sent),
            ("acknowledged", now.acknowledged - before.acknowledged),
            ("failed", now.failed - before.failed),
        ] {
            self.count(outcome, count);
        }
        self.left_out
            .set(i64::try_from(failing).unwrap_or(i64::MAX));
    }

    pub(super) fn too_large(&self) {
        self.count("too_large", 1);
    }

    fn count(&self, outcome: &'static str, count: u64) {
        self.pushes
            .get_or_create(&Outcome { outcome })
            .inc_by(count);
    }
}
