//! The owners of instances, and the subscribers of changes.

use std::{fmt, num::NonZeroU64, sync::Arc};

/// A connection of a client, numbered in the order of opening; never reused in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(NonZeroU64);

/// The owner of an instance: it may change and remove the instance, and the instance ends with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Publisher {
    /// A client's connection: its ephemeral instances end with it.
    Connection(ConnectionId),
    /// A client without a connection, known by the address of its instances (HTTP): beats keep its ephemeral instances alive.
    Address {
        /// The address of the instance.
        ip: Arc<str>,
        /// The port of the instance.
        port: u16,
    },
    /// An operator, or a console on the operator's behalf.
    Operator,
    /// An earlier run of this collector, from its roster: the instance ends unless a client registers it again in time.
    Restored,
    /// Another collector with this address: it has the client, and decides about the instance.
    Member(Arc<str>),
}

/// A subscriber to the changes of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subscriber {
    /// A client's connection. It has one subscription of a service: a later one replaces it.
    Connection(ConnectionId),
    /// A client that receives datagrams at this address. It has one subscription for each set of clusters of a service.
    Udp {
        /// The address that pushes go to.
        ip: Arc<str>,
        /// The port that pushes go to.
        port: u16,
    },
    /// A client that polls and receives no pushes; recorded so that an operator sees it.
    Poller {
        /// The address that polls.
        ip: Arc<str>,
    },
}

impl ConnectionId {
    /// The connection with this number; `None` for 0.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// For operators and evidence.
impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => write!(f, "connection {id}"),
            Self::Address { ip, port } => write!(f, "{ip}:{port}"),
            Self::Operator => f.write_str("operator"),
            Self::Restored => f.write_str("roster of an earlier run"),
            Self::Member(address) => write!(f, "collector {address}"),
        }
    }
}
