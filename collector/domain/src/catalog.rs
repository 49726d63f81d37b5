//! Services and their instances, as Nacos clients register and find them.
//!
//! A [`ServiceKey`] is (namespace, group, name); a service has clusters, and a cluster has instances at an [`Endpoint`]. A
//! [`Publisher`] owns instances, and a [`Subscriber`] is notified of changes. [`Registry`] holds the instances, indexed by service
//! and by publisher. [`Subscriptions`] holds the subscriptions, indexed by service and by subscriber. [`select`] computes the list
//! that a consumer gets.
//!
//! Invariants:
//! * The latest registration of (service, ip, port, cluster, kind) owns the instance. The end of a publisher removes only the
//!   instances that it still owns.
//! * A service's revision changes if and only if something that a consumer can see has changed. Revisions are unique across all
//!   services and never repeat, so a service that was removed and created again has another revision.
//! * The settings of an operator ([`Override`]) are separate from the registered values, and take precedence over them.
//! * Collectors that share their lists show the same owner of an instance ([`Claim`]).
//! * An explicit deregistration leaves a tombstone: a late beat does not restore the instance within its term.
//!
//! Left out: time (the caller passes `now`), liveness terms (see [`crate::liveness`]), storage, and every wire format. The text
//! `group@@name` exists in protocol faces only.

mod beats;
mod checker;
mod claims;
mod connection_end;
mod cost;
mod effects;
mod instance;
mod intern;
mod limits;
mod metadata;
mod name;
mod overrides;
mod publisher;
mod registry;
mod selection;
mod selector;
mod service;
mod slab;
mod subscriptions;
mod tombstones;

pub use beats::{Beats, DEFAULT_BEAT_INTERVAL};
pub use checker::{Checker, Cluster};
pub use claims::{Claim, ClaimState, Place, Replaced, Stamp};
pub use connection_end::ConnectionEnd;
pub use effects::{Effects, Event, EventKind, HealthBy};
pub use instance::{Endpoint, Instance, InstanceRef, Kind, Patch, Registration};
pub use limits::{Full, Limits, Resource};
pub use metadata::{Change as MetadataChange, Metadata};
pub use name::{
    DEFAULT_CLUSTER, DEFAULT_GROUP, InvalidName, PUBLIC, Part, Problem, ServiceKey, cluster_name,
    namespace_name,
};
pub use overrides::Override;
pub use publisher::{ConnectionId, Publisher, Subscriber};
pub use registry::{
    BeatTarget, Counts, Held, Missing, NotRemoved, Refused, Registered, Registrant, Registry, Swept,
};
pub use selection::{Clusters, Host, Rules, Selection, ServiceView, select};
pub use selector::{BadSelector, Selector};
pub use service::{ServiceCounts, ServiceDetail, Settings, Summary};
pub use subscriptions::{SubscriptionKey, Subscriptions};

#[cfg(test)]
mod tests;
