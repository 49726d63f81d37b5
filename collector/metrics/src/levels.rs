//! Gauges that are set at each scrape.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use rollcall_domain::{
    inventory::{Count, Dictionary, Inventory},
    liveness,
    membership::{self, View},
};

/// The values that a scrape measures.
#[derive(Debug)]
pub struct Levels<'a> {
    /// The inventory whose entries are counted.
    pub inventory: &'a Inventory,
    /// The leases, by state.
    pub leases: liveness::Counts,
    /// Instances whose agents send signals less often than the configured term.
    pub slow: usize,
    /// The collectors.
    pub members: &'a View,
    /// Whether this collector is registered with the coordinator and knows the other members.
    pub is_coordinated: bool,
    /// Jobs that wait for the writer.
    pub queue_depth: usize,
    /// The most jobs that may wait for the writer.
    pub queue_capacity: usize,
    /// Subscribers of the event feed.
    pub event_subscribers: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EntryLabels {
    dictionary: String,
    adopted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The families of this file.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    entries: Family<EntryLabels, Gauge>,
    leases: Family<StateLabel, Gauge>,
    members: Family<StateLabel, Gauge>,
    coordinated: Gauge,
    wheel_entries: Gauge,
    slow_instances: Gauge,
    queue_depth: Gauge,
    queue_limit: Gauge,
    event_subscribers: Gauge,
    pub(crate) health_watchers: Gauge,
    pub(crate) health_watchers_limit: Gauge,
}

impl Gauges {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "entries",
            "Entries of each dictionary (applications, instances, operations, addresses)",
            self.entries.clone(),
        );
        registry.register(
            "leases",
            "Instances by state; forgotten: down or left for longer than liveness.default.forget_after, or forgotten by an operator",
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
            "Entries of the timing wheel of the leases",
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
            "register_queue_limit",
            "Most registrations that may wait for the writer (register.default.queue_capacity)",
            self.queue_limit.clone(),
        );
        registry.register(
            "event_subscribers",
            "Subscribers of the event feed",
            self.event_subscribers.clone(),
        );
        registry.register(
            "health_watchers",
            "Streams that follow the health of this collector (grpc.health.v1.Health/Watch)",
            self.health_watchers.clone(),
        );
        registry.register(
            "health_watchers_limit",
            "Most streams that may follow the health of this collector (agent_gRPC.gRPC.max_health_watchers)",
            self.health_watchers_limit.clone(),
        );
    }

    pub(crate) fn set(&self, levels: &Levels<'_>) {
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
        self.queue_limit.set(gauge(levels.queue_capacity));
        self.event_subscribers.set(gauge(levels.event_subscribers));
    }
}

pub(crate) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
