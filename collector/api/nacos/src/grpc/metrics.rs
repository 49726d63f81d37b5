//! The metrics of the face.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    acks::Lapsed,
    connection::Reason,
    kind::{Kind, Naming},
};

/// Counters and gauges of the face. A cheap clone counts the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    connections: Gauge,
    closed: Family<ReasonLabel, Counter>,
    pushes: Family<OutcomeLabel, Counter>,
    /// The counter of each kind, resolved, so that counting a call is one addition.
    answered: Arc<[(Kind, Counter)]>,
    sent: Counter,
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

impl Default for Metrics {
    fn default() -> Self {
        let calls = Family::<CallLabels, Counter>::default();
        let pushes = Family::<OutcomeLabel, Counter>::default();
        let kinds = [Kind::ServerCheck, Kind::HealthCheck];
        let kinds = kinds.into_iter().chain(Naming::ALL.map(Kind::Naming));
        let answered = kinds.map(|kind| {
            let counter = calls.get_or_create(&labels(Some(kind), true)).clone();
            (kind, counter)
        });
        let answered = answered.collect();
        let closed = Family::<ReasonLabel, Counter>::default();
        for reason in Reason::ALL {
            // Every label exists from the start, so that the first event is an increase.
            let reason = reason.label();
            drop(closed.get_or_create(&ReasonLabel { reason }));
        }
        let sent = pushes
            .get_or_create(&OutcomeLabel { outcome: "sent" })
            .clone();
        Self {
            calls,
            connections: Gauge::default(),
            closed,
            pushes,
            answered,
            sent,
        }
    }
}

fn labels(kind: Option<Kind>, is_ok: bool) -> CallLabels {
    CallLabels {
        call: kind.map_or("unknown", Kind::label),
        outcome: if is_ok { "ok" } else { "refused" },
    }
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
        let is_this = |(known, _): &&(Kind, Counter)| is_ok && Some(*known) == kind;
        match self.answered.iter().find(is_this) {
            Some((_, counter)) => counter.inc(),
            None => self.calls.get_or_create(&labels(kind, is_ok)).inc(),
        };
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
        self.sent.inc();
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
