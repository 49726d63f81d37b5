//! The core of Rollcall: which applications and instances exist, and which of them are alive.
//!
//! * [`inventory`] assigns stable numeric ids to names; an id is never assigned to a second name.
//! * [`catalog`] holds services and their instances, as Nacos clients register and find them.
//! * [`liveness`] decides from signals and time which instances are up, silent or down.
//! * [`properties`] bounds the properties that an agent reports about its process.
//! * [`membership`] is the set of collectors, and the selection of one of them.
//!
//! Nothing here does I/O or reads a clock. `now` is an argument. The inventory returns what must become durable as
//! [`inventory::Row`]s, which the caller commits. All types are safe to share between threads where they take `&self`.

#![warn(missing_docs)]

pub mod catalog;
pub mod id;
pub mod inventory;
pub mod liveness;
pub mod membership;
pub mod properties;
pub mod time;

pub use id::{AddressId, ApplicationId, InstanceId, OperationId};
pub use time::{Moment, Timestamp};
