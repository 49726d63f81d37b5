//! The limits of this collector, and how much of each is used.

use std::{fmt, sync::Arc, time::Duration};

use axum::{extract::State, http::Uri, response::Response};
use rollcall_catalog::Catalog;
use rollcall_domain::{catalog::Limits, inventory::Dictionary};
use rollcall_server::face::{Refusal, reply};
use serde::Serialize;

use super::{Face, parameters::Parameters};

/// Limits of the configuration that only the console shows.
#[derive(Clone, Copy, Debug)]
pub struct Headroom {
    /// The most ids that each dictionary assigns (`register.default.max_assigned_ids`).
    pub assigned_ids: usize,
    /// The most unknown ids that each dictionary adopts (`register.default.max_adopted_ids`).
    pub adopted_ids: usize,
    /// The most registrations that wait for the writer (`register.default.queue_capacity`).
    pub register_queue: usize,
    /// The longest wait of a registration (`register.default.deadline`).
    pub register_deadline: Duration,
}

/// A figure: a number of things or bytes, or a time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// A number of things or bytes.
    Count(u64),
    /// A time in seconds.
    Seconds(f64),
}

/// A limit, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gauge {
    /// The name of the limit in the answer.
    pub name: &'static str,
    /// The amount that is used now.
    pub used: Figure,
    /// `null` without a limit.
    pub limit: Option<Figure>,
    /// The unit: the plural of the counted things, `bytes` or `seconds`.
    pub unit: &'static str,
    /// The configuration key of the limit; `null` if the system sets it.
    pub key: Option<&'static str>,
    /// A note on what sets the limit, if no key does; otherwise empty.
    pub note: &'static str,
}

/// Reads the figures that the composition root knows: those of the process, the machine and the queues.
#[derive(Clone)]
pub struct Gauges(Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>);

/// The name of a budget in the answer, and the configuration key that limits it.
fn name_and_key(budget: &str) -> Option<(&'static str, &'static str)> {
    Some(match budget {
        "requests" => ("memory of requests", "server.default.inbound_memory"),
        "answers" => ("memory of answers", "server.default.outbound_memory"),
        // Its limit is a part of the same key.
        "waiting" => (
            "memory of answers that wait for room",
            "server.default.outbound_memory",
        ),
        "connections" => ("memory of connections", "server.default.connection_memory"),
        "work" => ("memory of decoded messages", "server.default.work_memory"),
        "inventory" => (
            "memory of the inventory",
            "register.default.inventory_memory",
        ),
        "agent_timelines" => ("memory of timelines of agents", "timeline.default.memory"),
        "service_timelines" => ("memory of timelines of services", "timeline.default.memory"),
        _ => return None,
    })
}

/// `GET /api/headroom`
pub(super) async fn headroom(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let reading = Arc::clone(&face);
    // Some figures are read from files of the system.
    let system = face
        .read_list(move |_services| (reading.sources.gauges.0)())
        .await?;
    let mut gauges = face.agents();
    gauges.extend(system);
    gauges.extend(face.memory());
    gauges.extend(face.nacos());
    Ok(reply(&gauges))
}

// === impl Figure ===

impl From<usize> for Figure {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<Duration> for Figure {
    fn from(time: Duration) -> Self {
        Self::Seconds(time.as_secs_f64())
    }
}

// === impl Gauge ===

impl Gauge {
    /// A gauge of things with a limit that a configuration key sets.
    #[must_use]
    pub fn new(
        name: &'static str,
        unit: &'static str,
        used: impl Into<Figure>,
        limit: impl Into<Figure>,
        key: &'static str,
    ) -> Self {
        Self {
            name,
            used: used.into(),
            limit: Some(limit.into()),
            unit,
            key: Some(key),
            note: "",
        }
    }

    /// This gauge, with a note on what sets the limit if no key does.
    #[must_use]
    pub fn set_by(self, note: &'static str) -> Self {
        Self {
            key: None,
            note,
            ..self
        }
    }
}

// === impl Gauges ===

impl Gauges {
    /// The figures that `read` returns. It may block.
    #[must_use]
    pub fn new(read: impl Fn() -> Vec<Gauge> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauges").finish_non_exhaustive()
    }
}

// === impl Face ===

impl Face {
    fn agents(&self) -> Vec<Gauge> {
        let limits = &self.sources.limits;
        let dictionaries = Dictionary::ALL.into_iter().map(|dictionary| {
            let name = match dictionary {
                Dictionary::Applications => "ids of applications",
                Dictionary::Instances => "ids of instances",
                Dictionary::Operations => "ids of operations",
                Dictionary::Addresses => "ids of addresses",
            };
            let used = self.services.roster.entries(dictionary).keyed;
            let key = "register.default.max_assigned_ids";
            Gauge::new(name, "ids", used, limits.assigned_ids, key)
        });
        let adopted = Dictionary::ALL
            .into_iter()
            .map(|dictionary| self.services.roster.entries(dictionary).adopted);
        let adopted = Gauge::new(
            "adopted ids",
            "ids",
            adopted.max().unwrap_or_default(),
            limits.adopted_ids,
            "register.default.max_adopted_ids",
        );
        let queue = Gauge::new(
            "registrations that wait",
            "registrations",
            self.services.register.queue_depth(),
            limits.register_queue,
            "register.default.queue_capacity",
        );
        let slowest = self.services.metrics.slowest_commit();
        let commit = Gauge::new(
            "longest commit, last minute",
            "seconds",
            slowest.max(self.sources.history.slowest_commit()),
            limits.register_deadline,
            "register.default.deadline",
        );
        let connections = Gauge::new(
            "connections",
            "connections",
            self.connection_limits.room.taken(),
            self.connection_limits.room.limit(),
            "",
        )
        .set_by("the limit on open files");
        let subscribers = Gauge::new(
            "readers of the event feed",
            "readers",
            self.services.events.readers(),
            self.max_event_subscribers,
            "ui.jetty.max_event_subscribers",
        );
        let mut gauges: Vec<Gauge> = dictionaries.collect();
        gauges.extend([adopted, queue, commit, connections, subscribers]);
        gauges
    }

    fn memory(&self) -> Vec<Gauge> {
        let budgets = self.services.metrics.budgets();
        let shown = budgets.iter().map(|budget| {
            let (name, key) = name_and_key(budget.name()).unwrap_or((budget.name(), ""));
            let gauge = Gauge::new(name, "bytes", budget.held(), budget.limit(), key);
            if key.is_empty() {
                gauge.set_by("fixed")
            } else {
                gauge
            }
        });
        shown.collect()
    }

    fn nacos(&self) -> Vec<Gauge> {
        let Some(catalog) = &self.sources.catalog else {
            return Vec::new();
        };
        let (counts, limits) = (catalog.counts(), catalog.limits());
        let registry = &counts.registry;
        let mut gauges = vec![
            Gauge::new(
                "services",
                "services",
                registry.services,
                limits.services,
                "nacos.default.max_services",
            ),
            Gauge::new(
                "memory of services",
                "bytes",
                registry.bytes,
                limits.bytes,
                "nacos.default.memory",
            ),
            Gauge::new(
                "connections of Nacos clients",
                "connections",
                counts.connections,
                limits.connections,
                "nacos.default.max_connections",
            ),
            Gauge::new(
                "subscriptions",
                "subscriptions",
                counts.subscriptions,
                limits.subscriptions,
                "nacos.default.max_subscriptions",
            ),
            Gauge::new(
                "namespaces",
                "namespaces",
                counts.namespaces,
                limits.namespaces,
                "nacos.default.max_namespaces",
            ),
            Gauge::new(
                "changes of services that wait for the store",
                "changes",
                counts.waiting_changes,
                catalog.write_queue(),
                "nacos.default.write_queue",
            ),
        ];
        gauges.extend(shares(catalog, &limits));
        gauges
    }
}

/// The shares of the peers with the most services and the most memory.
fn shares(catalog: &Catalog, limits: &Limits) -> [Gauge; 2] {
    let largest = catalog.largest_shares();
    [
        Gauge::new(
            "services of one peer",
            "services",
            largest.services,
            limits.services_per_peer,
            "nacos.default.max_services_per_peer",
        ),
        Gauge::new(
            "memory of one peer's services",
            "bytes",
            largest.bytes,
            limits.bytes_per_peer,
            "nacos.default.memory_per_peer",
        ),
    ]
}
