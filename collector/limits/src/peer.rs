//! The address of a request's sender, as limits count it.
//!
//! The server attaches a [`Peer`] to every request that may change anything. Limits count by peer, so that one address can exhaust
//! only its own share. Metrics show the [`Class`] of a peer and never its address, which an event or a log line may name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// The sender of a request: an IPv4 address, or the /64 network of an IPv6 address, since one host may use all its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(IpAddr);

/// The kind of network of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// This machine.
    Loopback,
    /// A network that is not routed over the internet.
    Private,
    /// Any other address.
    Public,
}

impl Peer {
    /// The peer with this address. An IPv4-mapped IPv6 address is the same peer as its IPv4 address.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        })
    }

    /// Its address. For an IPv6 network, the first address of the network.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0
    }

    /// The class of its address.
    #[must_use]
    pub fn class(self) -> Class {
        match self.0 {
            address if address.is_loopback() => Class::Loopback,
            IpAddr::V4(address) if is_private(address) => Class::Private,
            IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => {
                Class::Private
            }
            _ => Class::Public,
        }
    }
}

/// The address, or the network.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(network) if !network.is_loopback() => write!(f, "{network}/64"),
            address => address.fmt(f),
        }
    }
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Loopback, Self::Private, Self::Public];

    /// The label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// RFC 1918, link-local addresses, and those shared behind a carrier's NAT (RFC 6598).
fn is_private(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || (a == 100 && b & 0b1100_0000 == 64)
}
