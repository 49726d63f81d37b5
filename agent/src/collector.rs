//! A connection to one collector, and the calls on it. The words of the wire end here.
//!
//! The connection is made by hand instead of by tonic's channel, which reconnects by itself and does not say so: the
//! agent has to know, since after every reconnect the collector is to be told which ids this process holds.

mod call;
mod transport;

pub(crate) use call::{CallError, Collector};
pub(crate) use transport::{ConnectError, connect};
