//! The effects of a change of the catalog, for the use cases to publish.

use super::{ConnectionEnd, Endpoint, InstanceRef, Kind, Place, Publisher, ServiceKey};

/// The effects of a change. Empty if it changed no lease and nothing that a consumer can see.
#[derive(Debug, Default)]
pub struct Effects {
    /// The events of instances and services, in order.
    pub events: Vec<Event>,
    /// Services whose revision changed. One may be listed more than once.
    pub changed: Vec<ServiceKey>,
    /// New services.
    pub appeared: Vec<ServiceKey>,
    /// Removed services. They had no instances.
    pub vanished: Vec<ServiceKey>,
    /// Instances that need beats from now on.
    pub granted: Vec<InstanceRef>,
    /// Persistent instances that are new.
    pub persistent: Vec<InstanceRef>,
    /// Instances that no longer need beats.
    pub ended: Vec<InstanceRef>,
    /// Instances whose claim by this collector changed ([`super::Registry::own_claim`]). One may be listed more than once.
    pub claims: Vec<Place>,
    /// The number of instances of other members that should be shown from now on and have no room. Their claims are forgotten.
    pub left_out: usize,
}

/// An event of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The service of the instance.
    pub service: ServiceKey,
    /// The endpoint of the instance.
    pub endpoint: Endpoint,
    /// The kind of the instance.
    pub kind: Kind,
    /// The publisher of the instance; for one that was taken over, its earlier publisher.
    pub publisher: Publisher,
    /// The kind of the event.
    pub what: EventKind,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The instance is new.
    Registered,
    /// Its publisher changed something that consumers see.
    Updated,
    /// Another publisher registered it and owns it now.
    TakenOver,
    /// Its publisher, or an operator, removed it.
    Deregistered,
    /// A later registration of the same service on its connection replaced it.
    Replaced,
    /// Its connection ended in this way.
    ConnectionEnded(ConnectionEnd),
    /// No beat arrived within its term, and it was removed.
    Expired,
    /// This made it healthy.
    Healthy(HealthBy),
    /// This made it unhealthy.
    Unhealthy(HealthBy),
    /// An operator set or removed an override.
    Overridden,
    /// The collector that had it no longer has it.
    MemberRemoved,
    /// The collector that had it left the cluster, and no client registered it again in time.
    MemberLeft,
}

/// What determined the health of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealthBy {
    /// Its beats: they stopped, or resumed.
    Beat,
    /// The probe of its cluster.
    Probe,
    /// A call that sets the health of an instance without a probe.
    Operator,
    /// Its registration, or a change of it.
    Registration,
    /// Another collector, which shares the store.
    Member,
}

impl Effects {
    /// Whether there are no effects to publish.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.changed.is_empty()
            && self.appeared.is_empty()
            && self.vanished.is_empty()
            && self.persistent.is_empty()
            && self.granted.is_empty()
            && self.ended.is_empty()
            && self.claims.is_empty()
    }
}
