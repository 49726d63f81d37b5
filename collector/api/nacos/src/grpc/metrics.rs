//! The metrics of the face.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use rollcall_metrics::{Durations, Outcome, Protocol};

use super::{
    acks::Lapsed,
    answer::code,
    connection::Reason,
    kind::{Kind, Naming},
};

/// Counters and gauges of the face. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    connections: Gauge,
    closed: Family<ReasonLabel, Counter>,
    pushes: Family<OutcomeLabel, Counter>,
    /// The kinds with their counter and histograms, resolved, so that counting a call takes no lock.
    answered: Arc<[(Kind, Counter, Durations)]>,
    /// The histograms of all other messages.
    other: Durations,
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

impl Metrics {
    /// Counters at zero. The histograms are those of `metrics`.
    #[must_use]
    pub fn new(metrics: &rollcall_metrics::Metrics) -> Self {
        let calls = Family::<CallLabels, Counter>::default();
        let pushes = Family::<OutcomeLabel, Counter>::default();
        let kinds = [Kind::ServerCheck, Kind::HealthCheck];
        let kinds = kinds.into_iter().chain(Naming::ALL.map(Kind::Naming));
        let answered = kinds.map(|kind| {
            let counter = calls.get_or_create(&labels(Some(kind), true)).clone();
            let durations = metrics.nacos_durations(Protocol::Grpc, kind.label());
            (kind, counter, durations)
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
            other: metrics.nacos_durations(Protocol::Grpc, "other"),
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

/// The outcome of a call that was refused with this code, or answered.
fn outcome(refused: Option<i32>) -> Outcome {
    match refused {
        None => Outcome::Ok,
        Some(
            code::OVER_LIMIT | code::STARTING | code::TOO_MANY_MATCHES | code::TOO_MANY_PATTERNS,
        ) => Outcome::Overloaded,
        Some(code::FAILED) => Outcome::Failed,
        Some(_) => Outcome::Invalid,
    }
}

impl Metrics {
    /// Adds the counters to a registry.
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

    /// Counts a call that took this long, with the code of its refusal.
    pub(super) fn called(&self, kind: Option<Kind>, refused: Option<i32>, took: Duration) {
        let mut known = self.answered.iter();
        let known = known.find(|(known, ..)| Some(*known) == kind);
        match known {
            Some((_, counter, _)) if refused.is_none() => counter.inc(),
            _ => self
                .calls
                .get_or_create(&labels(kind, refused.is_none()))
                .inc(),
        };
        let durations = known.map_or(&self.other, |(_, _, durations)| durations);
        durations.count(outcome(refused), took);
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
        self.add("failed", lapsed.failed);
        self.add("given_up", lapsed.given_up);
    }

    fn add(&self, outcome: &'static str, count: usize) {
        if count > 0 {
            let counter = self.pushes.get_or_create(&OutcomeLabel { outcome });
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
