//! What collectors say to each other (proto/docs/skywalking.md section 5.4): the collector that is asked for an id has the
//! owner commit it.
//!
//! A [`sender`] chooses who that is and keeps a [`client`] for every other member, which sends what waits for it as one
//! stream of messages in upstream's [`columns`]. The other end is
//! [`grpc::remote`](crate::grpc::remote()).
//!
//! Nothing depends on a message to arrive: whoever passes a registration on does the same work itself afterwards, and has
//! little to do if the owner has done it. So a registration is never lost here, and a new owner is asked with the next one.

/// The metadata by which a member says that it is one, with its version.
pub const MEMBER: &str = "rollcall-member";

pub use error::Error;

pub mod client;
pub mod columns;
mod counters;
mod error;
mod keep_alive;
pub mod sender;
