//! Every counter and gauge of a collector, and the handles with which other crates count.
//!
//! All names, labels and help texts are in this crate, because they are one public contract: dashboards and alerts read them,
//! and a test compares them with `collector/docs/metrics.md`. Counters that a component keeps for its own work ([`Budget`]s, the
//! log, the listeners) are read at each scrape: see [`Metrics::watch`].

#![warn(missing_docs)]

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{
        EncodeLabelSet,
        text::{encode, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use rollcall_limits::{Budget, Refusals, RefusalsFamily};

mod budgets;
mod calls;
mod durations;
mod levels;
mod log;
mod writer;

pub use calls::{Call, Outcome, Protocol};
pub use durations::Durations;
pub use levels::Levels;
pub use log::LostLines;

/// Every metric of a collector. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Mutex<Registry>,
    /// The metrics of the process, whose names have no prefix.
    process: Mutex<Registry>,
    calls: calls::Calls,
    dropped: Family<DropLabel, Counter>,
    forwarded: Family<OutcomeLabel, Counter>,
    gauges: levels::Gauges,
    writer: writer::Writer,
    budgets: budgets::Budgets,
    refusals: RefusalsFamily,
    durations: durations::Family<1>,
    nacos_durations: durations::Family<2>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabel {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner::new();
        inner.register();
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The counters of one call. Resolve them once, not for each request.
    #[must_use]
    pub fn call(&self, protocol: Protocol, call: &'static str) -> Call {
        self.inner.calls.call(protocol, call)
    }

    /// Exposes the metrics of `collector`, which are read at each scrape.
    pub fn watch(&self, collector: impl Collector) {
        let mut registry = self.inner.registry.lock();
        registry.register_collector(Box::new(collector));
    }

    /// Exposes the metrics of the process, which are read at each scrape. Their names are those that every Prometheus client
    /// library uses (`process_...`), without the collector's prefix.
    pub fn watch_process(&self, collector: impl Collector) {
        let mut registry = self.inner.process.lock();
        registry.register_collector(Box::new(collector));
    }

    /// The histograms of the time that calls of this generation of clients take. Resolve them once, not for each request.
    #[must_use]
    pub fn durations(&self, generation: &'static str) -> Durations {
        self.inner.durations.of([generation])
    }

    /// The histograms of the time that this call of Nacos clients takes. Resolve them once, not for each request; the names of
    /// calls are those of a fixed table, so that clients cannot add series.
    #[must_use]
    pub fn nacos_durations(&self, protocol: Protocol, call: &'static str) -> Durations {
        self.inner.nacos_durations.of([protocol.label(), call])
    }

    /// Exposes the metrics of a face: `add` registers them.
    pub fn extend(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.inner.registry.lock());
    }

    /// Exposes the bytes held, the limit and the refusals of `budget` under its name.
    pub fn show_budget(&self, budget: Budget) {
        self.inner.budgets.add(budget);
    }

    /// Every budget that is exposed.
    #[must_use]
    pub fn budgets(&self) -> Vec<Budget> {
        self.inner.budgets.all()
    }

    /// The counters of refusals to peers for one reason, which is a plural noun, at the limit that `key` sets.
    #[must_use]
    pub fn refusals(&self, reason: &'static str, key: &'static str) -> Refusals {
        self.inner.refusals.reason(reason, key)
    }

    /// The counter of received and discarded items of the kind `what`, a plural noun.
    #[must_use]
    pub fn dropped(&self, what: &'static str) -> Counter {
        self.inner.dropped.get_or_create_owned(&DropLabel { what })
    }

    /// The counter of registrations forwarded to another collector with this `outcome`.
    #[must_use]
    pub fn forwarded(&self, outcome: &'static str) -> Counter {
        self.inner
            .forwarded
            .get_or_create_owned(&OutcomeLabel { outcome })
    }

    /// The gauge of streams that follow the health of this collector. Also exposes `limit`, the most such streams.
    #[must_use]
    pub fn health_watchers(&self, limit: usize) -> Gauge {
        let gauges = &self.inner.gauges;
        gauges.health_watchers_limit.set(levels::gauge(limit));
        gauges.health_watchers.clone()
    }

    /// The counter of calls without the required token.
    #[must_use]
    pub fn denied(&self, protocol: Protocol) -> Counter {
        self.inner.calls.denied(protocol)
    }

    /// The counter of requests that were refused before they reached a face. `reason` is a part of the request.
    #[must_use]
    pub fn requests_refused(&self, reason: &'static str) -> Counter {
        self.inner.calls.refused(reason)
    }

    /// Records whether the inventory has the digest that another collector published.
    pub fn compared(&self, agrees: bool) {
        self.inner.writer.inventory_diverged.set(i64::from(!agrees));
    }

    /// Counts instances that were corrected from the reports of other collectors.
    pub fn roster_repaired(&self, instances: usize) {
        let instances = u64::try_from(instances).unwrap_or(u64::MAX);
        self.inner.writer.roster_repaired.inc_by(instances);
    }

    /// The counter of changes of an instance that are written later.
    #[must_use]
    pub fn changes_delayed(&self) -> Counter {
        self.inner.writer.changes_delayed.clone()
    }

    /// Counts keys of a shared store that are unreadable or missing.
    pub fn store_damaged(&self, keys: usize) {
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        self.inner.writer.store_damaged.inc_by(keys);
    }

    /// Counts a batch that conflicted with another collector's commit.
    pub fn conflicted(&self) {
        self.inner.writer.commit_conflicts.inc();
    }

    /// Records a batch that became durable.
    pub fn committed(&self, rows: usize, took: Duration) {
        self.inner.writer.committed(rows, took);
    }

    /// The longest time until a batch was durable, since the last call of [`Metrics::take_slowest_commit`].
    #[must_use]
    pub fn slowest_commit(&self) -> Duration {
        Duration::from_nanos(self.inner.writer.slowest.load(Relaxed))
    }

    /// As [`Metrics::slowest_commit`], and resets the value to zero. Only one caller may use this.
    #[must_use]
    pub fn take_slowest_commit(&self) -> Duration {
        Duration::from_nanos(self.inner.writer.slowest.swap(0, Relaxed))
    }

    /// The exposition text (OpenMetrics) of all metrics, with the gauges at `levels`.
    #[must_use]
    pub fn encode(&self, levels: &Levels<'_>) -> String {
        self.inner.gauges.set(levels);
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &self.inner.process.lock())
            .and_then(|()| encode(&mut text, &self.inner.registry.lock()));
        match encoded {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn new() -> Self {
        Self {
            registry: Mutex::new(Registry::with_prefix("rollcall")),
            process: Mutex::default(),
            calls: calls::Calls::default(),
            dropped: Family::default(),
            forwarded: Family::default(),
            gauges: levels::Gauges::default(),
            writer: writer::Writer::default(),
            budgets: budgets::Budgets::default(),
            refusals: RefusalsFamily::default(),
            durations: durations::Family::of_agents(),
            nacos_durations: durations::Family::of_nacos(),
        }
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        registry.register(
            "build",
            "Version of this collector",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        self.calls.register(&mut registry);
        registry.register(
            "dropped",
            "Items received and discarded: telemetry, and items beyond a limit",
            self.dropped.clone(),
        );
        registry.register(
            "registrations_forwarded",
            "Registrations forwarded to another collector, by outcome",
            self.forwarded.clone(),
        );
        self.gauges.register(&mut registry);
        registry.register_collector(Box::new(self.budgets.clone()));
        registry.register_collector(Box::new(self.durations.clone()));
        registry.register_collector(Box::new(self.nacos_durations.clone()));
        self.refusals.register(&mut registry);
        self.writer.register(&mut registry);
    }
}
