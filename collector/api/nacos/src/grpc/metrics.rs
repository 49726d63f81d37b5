//! What the face counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{acks::Lapsed, connection::Reason, kind::Kind};

/// Counters and gauges of the face. A cheap clone counts the same.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    connections: Gauge,
    closed: Family<ReasonLabel, Counter>,
    pushes: Family<OutcomeLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Metrics {
    /// Shows the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "nacos_grpc_calls",
            "Calls of Nacos clients over gRPC, by call and outcome",
            self.calls.clone(),
        );
        registry.register(
            "nacos_grpc_connections",
            "Open connections of Nacos clients over gRPC",
            self.connections.clone(),
        );
        registry.register(
            "nacos_grpc_closed",
            "Ended connections of Nacos clients over gRPC, by reason",
            self.closed.clone(),
        );
        registry.register(
            "nacos_grpc_pushes",
            "Pushes to Nacos clients over gRPC: sent, failed (refused or not acknowledged in time), given_up after repetitions",
            self.pushes.clone(),
        );
    }

    pub(super) fn called(&self, kind: Option<Kind>, is_ok: bool) {
        let labels = CallLabels {
            call: kind.map_or("unknown", Kind::label),
            outcome: if is_ok { "ok" } else { "refused" },
        };
        self.calls.get_or_create(&labels).inc();
    }

    pub(super) fn opened(&self) {
        self.connections.inc();
    }

    pub(super) fn closed(&self, reason: Reason) {
        self.connections.dec();
        let reason = reason.label();
        self.closed.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(super) fn pushed(&self) {
        self.outcome("sent", 1);
    }

    pub(super) fn lapsed(&self, lapsed: Lapsed) {
        self.outcome("failed", lapsed.failed);
        self.outcome("given_up", lapsed.given_up);
    }

    fn outcome(&self, outcome: &'static str, count: usize) {
        if count > 0 {
            let counter = self.pushes.get_or_create(&OutcomeLabel { outcome });
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
