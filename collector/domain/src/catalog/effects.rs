//! What a change of the catalog did, for the use cases to publish.

use super::{Endpoint, InstanceRef, Kind, Publisher, ServiceKey};

/// What a change did. Empty if it changed nothing that a consumer can see and no lease.
#[derive(Debug, Default)]
pub struct Effects {
    /// What happened to instances and services, in order.
    pub events: Vec<Event>,
    /// Services whose revision changed. One may be listed more than once.
    pub changed: Vec<ServiceKey>,
    /// Services that are known from now on.
    pub appeared: Vec<ServiceKey>,
    /// Services that are not known any more. They had no instances.
    pub vanished: Vec<ServiceKey>,
    /// Instances that beats keep alive from now on.
    pub granted: Vec<InstanceRef>,
    /// Persistent instances that are new.
    pub persistent: Vec<InstanceRef>,
    /// Instances that beats kept alive and that need none any more.
    pub ended: Vec<InstanceRef>,
}

/// Something that happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub service: ServiceKey,
    pub endpoint: Endpoint,
    pub kind: Kind,
    /// What answers for the instance; for one that was taken over, its earlier publisher.
    pub publisher: Publisher,
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The instance is new.
    Registered,
    /// Its publisher changed what consumers see.
    Updated,
    /// Another publisher registered it, and answers for it from now on.
    TakenOver,
    /// Its publisher, or an operator, removed it.
    Deregistered,
    /// Its connection's later registration of the same service took its place.
    Replaced,
    /// Its connection ended.
    ConnectionEnded,
    /// Its beats stopped, and it was removed.
    Expired,
    /// A beat, a registration, a probe or an operator made it healthy.
    Healthy,
    /// Its beats stopped, a probe failed, or an operator said so.
    Unhealthy,
    /// An operator set or removed an override.
    Overridden,
}

impl Effects {
    /// Whether nothing is to be published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.changed.is_empty()
            && self.appeared.is_empty()
            && self.vanished.is_empty()
            && self.persistent.is_empty()
            && self.granted.is_empty()
            && self.ended.is_empty()
    }
}
