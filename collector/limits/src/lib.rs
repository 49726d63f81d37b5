//! Limits for a peer, a message and the process.
//!
//! * [`Budget`]: a limit in bytes for one purpose, charged before memory is allocated and released when it is freed.
//! * [`Peer`]: the address that per-peer limits count by, and [`Refusals`]: counters of refusals to peers, by reason.
//! * [`Work`]: limits on the elements of a message, their budget, and the threads for large messages.
//!
//! The server charges the bytes that it reads and writes, the faces charge the messages that they decode, and the use cases limit
//! the entries that a peer adds. So all three depend on this crate.

#![warn(missing_docs)]

mod budget;
mod peer;
mod refusals;
pub mod work;

pub use budget::{Budget, Charge, OfShare, OverBudget, Shared};
pub use peer::{Class, Peer};
pub use refusals::{Refusals, RefusalsFamily};
pub use work::{Count, Work};
