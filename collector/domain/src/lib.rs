//! The core of Rollcall: who is there.
//!
//! * [`inventory`] gives names stable numeric ids and never takes one back.
//! * [`catalog`] holds services and their instances, as Nacos clients register and find them.
//! * [`liveness`] decides from signals and time who is up, silent or down.
//! * [`properties`] bounds what an agent reports about its process.
//! * [`membership`] is the set of collectors, and which of them is asked.
//!
//! Nothing here does I/O or reads a clock: `now` is an argument, and what must become durable is handed out as
//! [`inventory::Row`]s for somebody else to commit. All types are safe to share between threads where they take `&self`.

pub mod catalog;
pub mod id;
pub mod inventory;
pub mod liveness;
pub mod membership;
pub mod properties;
pub mod time;

pub use id::{AddressId, ApplicationId, InstanceId, OperationId};
pub use time::{Moment, Timestamp};
