//! The link between collectors (proto/docs/skywalking.md section 5.4): the collector that receives a registration forwards it
//! to the owner, which commits it.
//!
//! A [`sender`] selects the owner and keeps a [`client`] for every other member. The client sends its queued registrations as
//! one stream of messages in upstream's [`columns`]. The server side is [`grpc::remote`](crate::grpc::remote()).
//!
//! No registration depends on the arrival of a message: afterwards the sending collector proposes the same names itself, which is
//! cheap if the owner has committed them. So the link loses no registration. If the owner leaves, the next request goes to the new
//! owner.

/// The metadata key by which a member identifies itself; the value is its version.
pub const MEMBER: &str = "rollcall-member";

pub use error::Error;

pub mod client;
pub mod columns;
mod connector;
mod counters;
mod error;
mod keep_alive;
mod refusal;
pub mod sender;
