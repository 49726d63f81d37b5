//! The use cases of the catalog, which every protocol face of Nacos naming calls.
//!
//! [`Catalog`] is the handle: cheap to clone, shared between threads. [`open`] reads the store and returns the handle and the
//! [`Workers`], which the composition root runs.
//!
//! # For a face
//!
//! * Keys and endpoints are typed and checked once, by [`ServiceKey::new`] and [`Endpoint::new`].
//! * A gRPC connection is added ([`Catalog::connect`]) and ended ([`Catalog::connection_closed`]); its id is the publisher and the
//!   subscriber. The publisher of an HTTP client's instance is its endpoint ([`Endpoint::publisher`]).
//! * Lists are encoded once for each revision: [`Catalog::body`] calls the face's encoder only for the first consumer with a
//!   given request.
//! * Each sender of pushes has one [`Outbox`]. It subscribes first and reads the body afterwards, so that it misses no change, and
//!   reports the revision that it sent with [`Subscription::sent`]. Then it loops: [`Outbox::next`], [`Catalog::push`], send. If a
//!   push fails, it calls [`Subscription::lost`] after a pause of its choice.
//! * While [`Catalog::is_complete`] is false, reads fail with [`Error::Loading`] and nothing is pushed.
//!
//! # Invariants
//!
//! * Stored data (persistent instances, settings, namespaces, switches, overrides) is durable before it is acknowledged.
//! * A change without an effect pushes nothing. A slow subscriber holds one entry for each of its subscriptions and gets the
//!   latest state.
//! * The end of a connection removes only the instances that it still owns, not those that another publisher has taken over.
//! * After a restart no consumer sees an empty list: the roster and its journal have the instances of the last run. They are soft
//!   state, written before a change is acknowledged. They survive a crash of the process; a crash of the machine may lose the last
//!   half second. An instance of the last run is removed only if no client registers it again within its term. Call
//!   [`Catalog::drain`] before the listeners stop, so that the connections that the collector closes remove no instances.
//!
//! Left out: wire formats, authentication, listeners, and other members of a cluster.

#![warn(missing_docs)]

mod bodies;
mod by_service;
mod catalog;
mod clock;
mod config;
mod connections;
mod durable;
mod ended;
mod error;
mod events;
mod leases;
mod members;
mod metrics;
mod namespaces;
mod open;
mod outbox;
mod probe;
mod push;
mod readiness;
mod restore;
mod roster;
mod rows;
mod shared;
pub mod store;
mod sweep;
mod switches;

#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use bodies::{Encoded, Form};
pub use by_service::ByService;
pub use catalog::{Beat, Body, Catalog, Change, Counts, Listed, Page};
pub use clock::Clock;
pub use config::Config;
pub use connections::Connection;
pub use error::{Conflict, Error, Invalid, NotFound};
pub use events::{Event, EventSink, NoEvents};
pub use members::Exchanged;
pub use metrics::Exposition;
pub use namespaces::Namespace;
pub use open::{Workers, open};
pub use outbox::{Interest, Outbox, Subscription};
pub use probe::{BadRange, ProbeCounts, Range};
pub use rollcall_domain::catalog::{self as domain, Endpoint, ServiceKey};
pub use switches::Switches;
