//! Counters and gauges, handed to those who count. Names and labels are part of the outer contract.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use rollcall_domain::{
    inventory::{Count, Dictionary, Inventory},
    liveness,
    membership::{self, View},
};
use rollcall_limits::{Budget, Refusals, RefusalsFamily};

mod budgets;
mod log;

pub use log::LostLines;

/// Every metric of a collector. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    dropped: Family<DropLabel, Counter>,
    passed_on: Family<OutcomeLabel, Counter>,
    denied: Family<ProtocolLabel, Counter>,
    requests_refused: Family<ReasonLabel, Counter>,
    entries: Family<EntryLabels, Gauge>,
    leases: Family<StateLabel, Gauge>,
    members: Family<StateLabel, Gauge>,
    coordinated: Gauge,
    wheel_entries: Gauge,
    slow_instances: Gauge,
    queue_depth: Gauge,
    event_subscribers: Gauge,
    commit_seconds: Histogram,
    commit_rows: Histogram,
    commits_behind: Counter,
    inventory_diverged: Gauge,
    roster_repaired: Counter,
    store_damaged: Counter,
    changes_delayed: Counter,
    budgets: budgets::Budgets,
    refusals: RefusalsFamily,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    protocol: &'static str,
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EntryLabels {
    dictionary: String,
    adopted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabel {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The protocol a call came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP with JSON.
    Http,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Not understood, or not allowed to be: the caller's mistake.
    Invalid,
    /// Answered without an id, because none was assigned by the deadline.
    Unassigned,
    /// Refused because a limit was reached.
    Overloaded,
    /// The client went before it had sent its request whole.
    BrokenOff,
    /// Not answered, because this collector could not.
    Failed,
}

/// The counters of one call, resolved once so that counting is one atomic addition.
#[derive(Clone, Debug)]
pub struct Call {
    ok: Counter,
    invalid: Counter,
    unassigned: Counter,
    overloaded: Counter,
    broken_off: Counter,
    failed: Counter,
}

/// What is measured when somebody asks.
#[derive(Debug)]
pub struct Levels<'a> {
    /// Whose entries are counted.
    pub inventory: &'a Inventory,
    /// The leases, by state.
    pub leases: liveness::Counts,
    /// Instances whose agents send signals less often than the configured term.
    pub slow: usize,
    /// The collectors.
    pub members: &'a View,
    /// Whether this collector is known to the others as it should be, and knows them.
    pub is_coordinated: bool,
    /// Jobs that wait for the writer.
    pub queue_depth: usize,
    /// Subscribers of the event feed.
    pub event_subscribers: usize,
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner {
            registry: Mutex::new(Registry::with_prefix("rollcall")),
            calls: Family::default(),
            dropped: Family::default(),
            passed_on: Family::default(),
            denied: Family::default(),
            requests_refused: Family::default(),
            entries: Family::default(),
            leases: Family::default(),
            members: Family::default(),
            coordinated: Gauge::default(),
            wheel_entries: Gauge::default(),
            slow_instances: Gauge::default(),
            queue_depth: Gauge::default(),
            event_subscribers: Gauge::default(),
            // 50 us to 3.3 s: a fast drive's sync, a stalled one.
            commit_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 17)),
            commit_rows: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            commits_behind: Counter::default(),
            inventory_diverged: Gauge::default(),
            roster_repaired: Counter::default(),
            store_damaged: Counter::default(),
            changes_delayed: Counter::default(),
            budgets: budgets::Budgets::default(),
            refusals: RefusalsFamily::default(),
        };
        inner.register();
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The counters of one call. To be resolved once, not for each request.
    #[must_use]
    pub fn call(&self, protocol: Protocol, call: &'static str) -> Call {
        let counter = |outcome: Outcome| {
            let (protocol, outcome) = (protocol.label(), outcome.label());
            let labels = CallLabels {
                protocol,
                call,
                outcome,
            };
            self.inner.calls.get_or_create_owned(&labels)
        };
        Call {
            ok: counter(Outcome::Ok),
            invalid: counter(Outcome::Invalid),
            unassigned: counter(Outcome::Unassigned),
            overloaded: counter(Outcome::Overloaded),
            broken_off: counter(Outcome::BrokenOff),
            failed: counter(Outcome::Failed),
        }
    }

    /// Shows what `collector` counts itself from now on; it is read at each scrape.
    pub fn watch(&self, collector: impl Collector) {
        let mut registry = self.inner.registry.lock();
        registry.register_collector(Box::new(collector));
    }

    /// Shows what a face counts itself from now on: `add` registers it.
    pub fn extend(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.inner.registry.lock());
    }

    /// Shows what `budget` holds, its limit and its refusals from now on, under its name.
    pub fn show_budget(&self, budget: Budget) {
        self.inner.budgets.add(budget);
    }

    /// The counters of what peers are refused for one reason, a noun in the plural.
    #[must_use]
    pub fn refusals(&self, reason: &'static str) -> Refusals {
        self.inner.refusals.reason(reason)
    }

    /// The counter of things that were taken and given up: one for each `what`, a noun in the plural.
    #[must_use]
    pub fn dropped(&self, what: &'static str) -> Counter {
        self.inner.dropped.get_or_create_owned(&DropLabel { what })
    }

    /// The counter of registrations that another collector was asked to commit: one for each `outcome`.
    #[must_use]
    pub fn passed_on(&self, outcome: &'static str) -> Counter {
        self.inner
            .passed_on
            .get_or_create_owned(&OutcomeLabel { outcome })
    }

    /// The counter of calls without the token that agents have to send.
    #[must_use]
    pub fn denied(&self, protocol: Protocol) -> Counter {
        let protocol = protocol.label();
        self.inner
            .denied
            .get_or_create_owned(&ProtocolLabel { protocol })
    }

    /// The counter of requests that were refused before a face saw them, by `reason`: a part of the request.
    #[must_use]
    pub fn requests_refused(&self, reason: &'static str) -> Counter {
        self.inner
            .requests_refused
            .get_or_create_owned(&ReasonLabel { reason })
    }

    pub fn compared(&self, agrees: bool) {
        self.inner.inventory_diverged.set(i64::from(!agrees));
    }

    pub fn roster_repaired(&self, instances: usize) {
        let instances = u64::try_from(instances).unwrap_or(u64::MAX);
        self.inner.roster_repaired.inc_by(instances);
    }

    pub fn changes_delayed(&self) -> Counter {
        self.inner.changes_delayed.clone()
    }

    pub fn store_damaged(&self, keys: usize) {
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        self.inner.store_damaged.inc_by(keys);
    }

    pub fn was_behind(&self) {
        self.inner.commits_behind.inc();
    }

    pub fn committed(&self, rows: usize, took: Duration) {
        self.inner.commit_seconds.observe(took.as_secs_f64());
        self.inner
            .commit_rows
            .observe(u32::try_from(rows).unwrap_or(u32::MAX).into());
    }

    /// The exposition text (OpenMetrics) of everything, with the gauges at `levels`.
    #[must_use]
    pub fn encode(&self, levels: &Levels<'_>) -> String {
        self.inner.observe(levels);
        let mut text = String::new();
        match encode(&mut text, &self.inner.registry.lock()) {
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

impl Protocol {
    const fn label(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Unassigned => "unassigned",
            Self::Overloaded => "overloaded",
            Self::BrokenOff => "broken_off",
            Self::Failed => "failed",
        }
    }
}

impl Call {
    /// Counts one call that ended so.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Invalid => &self.invalid,
            Outcome::Unassigned => &self.unassigned,
            Outcome::Overloaded => &self.overloaded,
            Outcome::BrokenOff => &self.broken_off,
            Outcome::Failed => &self.failed,
        }
        .inc();
    }
}

// === impl Inner ===

impl Inner {
    fn register(&self) {
        let mut registry = self.registry.lock();
        registry.register(
            "build",
            "Version of this collector",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "calls",
            "Calls by protocol, name and outcome",
            self.calls.clone(),
        );
        registry.register(
            "dropped",
            "Items received and discarded: telemetry, or what exceeded a limit",
            self.dropped.clone(),
        );
        registry.register(
            "passed_on",
            "Registrations passed on to another collector, by outcome",
            self.passed_on.clone(),
        );
        registry.register(
            "entries",
            "Entries of each dictionary",
            self.entries.clone(),
        );
        registry.register(
            "leases",
            "Instances by state; forgotten: down or left for longer than liveness.default.forget_after",
            self.leases.clone(),
        );
        registry.register("members", "Collectors by state", self.members.clone());
        registry.register(
            "coordinated",
            "1 while this collector is registered with the coordinator and knows the other members",
            self.coordinated.clone(),
        );
        registry.register(
            "wheel_entries",
            "Entries of the expiry wheel",
            self.wheel_entries.clone(),
        );
        registry.register(
            "slow_instances",
            "Instances whose agents send signals less often than liveness.default.silent_after",
            self.slow_instances.clone(),
        );
        registry.register(
            "register_queue_depth",
            "Registrations waiting for the writer",
            self.queue_depth.clone(),
        );
        registry.register(
            "event_subscribers",
            "Subscribers of the event feed",
            self.event_subscribers.clone(),
        );
        registry.register_collector(Box::new(self.budgets.clone()));
        self.register_refusals(&mut registry);
        self.register_writer(&mut registry);
    }

    fn register_refusals(&self, registry: &mut Registry) {
        registry.register(
            "denied",
            "Calls refused because the token was missing or wrong",
            self.denied.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests refused by reason: framing (RFC 9112), origin (a foreign web page), host (a foreign name)",
            self.requests_refused.clone(),
        );
        self.refusals.register(registry);
    }

    fn register_writer(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "commit",
            "Time until a batch was durable",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register("commit_rows", "Rows in a batch", self.commit_rows.clone());
        registry.register(
            "commits_behind",
            "Batches that conflicted with another collector's commit and were proposed again",
            self.commits_behind.clone(),
        );
        registry.register(
            "inventory_diverged",
            "1 while this inventory differs from the digest of another collector",
            self.inventory_diverged.clone(),
        );
        registry.register(
            "roster_repaired",
            "Instances corrected from the reports of other collectors",
            self.roster_repaired.clone(),
        );
        registry.register(
            "changes_delayed",
            "Changes of an instance written later because it changed again within register.default.change_interval",
            self.changes_delayed.clone(),
        );
        registry.register(
            "store_damaged",
            "Keys of a shared store found unreadable or missing, counted at each observation",
            self.store_damaged.clone(),
        );
    }

    fn observe(&self, levels: &Levels<'_>) {
        for dictionary in Dictionary::ALL {
            let Count { keyed, adopted } = levels.inventory.count(dictionary);
            for (adopted, count) in [(false, keyed), (true, adopted)] {
                let labels = EntryLabels {
                    dictionary: dictionary.to_string(),
                    adopted,
                };
                self.entries.get_or_create(&labels).set(gauge(count));
            }
        }
        let leases = levels.leases;
        for (state, count) in [
            ("up", leases.up),
            ("silent", leases.silent),
            ("down", leases.down),
            ("left", leases.left),
            ("forgotten", leases.forgotten),
        ] {
            self.leases
                .get_or_create(&StateLabel { state })
                .set(gauge(count));
        }
        for (state, label) in [
            (membership::State::Starting, "starting"),
            (membership::State::Serving, "serving"),
            (membership::State::Draining, "draining"),
        ] {
            let members = levels.members.members().iter();
            let count = members.filter(|member| member.state == state).count();
            self.members
                .get_or_create(&StateLabel { state: label })
                .set(gauge(count));
        }
        self.coordinated.set(i64::from(levels.is_coordinated));
        self.wheel_entries.set(gauge(leases.filed));
        self.slow_instances.set(gauge(levels.slow));
        self.queue_depth.set(gauge(levels.queue_depth));
        self.event_subscribers.set(gauge(levels.event_subscribers));
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
