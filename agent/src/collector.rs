//! A connection to one collector, and the calls on it. The types of the wire are used nowhere else.
//!
//! The connection is made by hand instead of by tonic's channel, which reconnects without reporting it: after every
//! reconnect the agent tells the collector which ids this process holds.

mod call;
mod transport;

pub(crate) use call::{CallError, Collector};
pub(crate) use transport::{ConnectError, Connection, Keepalive, connect, is_complaint_of_pings};
