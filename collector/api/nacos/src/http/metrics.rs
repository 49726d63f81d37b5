//! The metrics of the face.

use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use rollcall_metrics::{Durations, Outcome, Protocol};

use super::fault::Generation;

/// Counters of the face. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    calls: Family<Labels, Counter>,
    /// All counters, resolved: by generation, and by outcome.
    counters: [[Counter; OUTCOMES.len()]; GENERATIONS.len()],
    /// The metrics of all faces, for the histograms of each call.
    shared: rollcall_metrics::Metrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    version: &'static str,
    outcome: &'static str,
}

const GENERATIONS: [&str; 3] = ["v1", "v2", "v3"];
const OUTCOMES: [&str; 3] = ["ok", "refused", "failed"];

impl Metrics {
    /// Counters at zero. The histograms are those of `metrics`.
    #[must_use]
    pub fn new(metrics: &rollcall_metrics::Metrics) -> Self {
        let calls = Family::<Labels, Counter>::default();
        let counters = GENERATIONS.map(|version| {
            OUTCOMES.map(|outcome| calls.get_or_create_owned(&Labels { version, outcome }))
        });
        Self {
            calls,
            counters,
            shared: metrics.clone(),
        }
    }

    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "nacos_http_calls",
            "Calls of Nacos clients over HTTP, by version and outcome: ok, refused (the caller's mistake), failed (loading, a limit, the store)",
            self.calls.clone(),
        );
    }

    /// The histograms of a call.
    pub(super) fn durations(&self, call: &'static str) -> Durations {
        self.shared.nacos_durations(Protocol::Http, call)
    }

    pub(super) fn called(&self, generation: Generation, status: StatusCode) {
        let outcome = if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            2
        } else {
            usize::from(!status.is_success())
        };
        let generation = match generation {
            Generation::V1 => 0,
            Generation::V2 => 1,
            Generation::V3 => 2,
        };
        let counter = self
            .counters
            .get(generation)
            .and_then(|row| row.get(outcome));
        if let Some(counter) = counter {
            counter.inc();
        }
    }
}

/// Counts a call that took this long in its histograms.
pub(super) fn took(durations: &Durations, status: StatusCode, took: Duration) {
    let outcome = match status {
        StatusCode::SERVICE_UNAVAILABLE => Outcome::Overloaded,
        StatusCode::INTERNAL_SERVER_ERROR => Outcome::Failed,
        status if status.is_success() => Outcome::Ok,
        _ => Outcome::Invalid,
    };
    durations.count(outcome, took);
}
