//! A connection to one collector, and the calls on it. Only this module uses the wire's types.
//!
//! The agent manages the connection itself, because tonic's channel reconnects without reporting it: after every reconnect
//! the agent announces the ids of this process to the collector.

mod call;
mod keepalive;
mod transport;

pub(crate) use call::{CallError, Collector};
pub(crate) use keepalive::{Keepalive, Keepalives};
pub(crate) use transport::{ConnectError, Connection, connect, refuses_pings};
