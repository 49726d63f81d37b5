//! One query of `sock_diag`: the socket with these two addresses.

use std::io;
use std::net::SocketAddr;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
    netlink::{SOCK_DIAG, SocketAddrNetlink},
    recv, sendto, socket_with,
};

use super::{State, octets};

/// The type of a query, and of its answer (`SOCK_DIAG_BY_FAMILY`).
const BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const TCP: u8 = 6;
const LISTENING: u8 = 10;

/// The length of the header of a netlink message, of a query with it, and of an answer with it.
const HEADER: usize = 16;
const QUERY: u8 = 72;
const ANSWER: usize = 88;

/// The state of the connected socket with these addresses; `None` if there is none.
pub(super) fn state(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<State>> {
    let netlink = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let system = SocketAddrNetlink::new(0, 0);
    sendto(&netlink, &query(local, remote), SendFlags::empty(), &system)?;
    let mut answer = [0; 512];
    // The system answers before `sendto` returns.
    let (length, _) = recv(&netlink, &mut answer, RecvFlags::DONTWAIT)?;
    Ok(parse(answer.get(..length).unwrap_or_default(), remote))
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn query(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = match local {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let [family, _] = family.as_raw().to_ne_bytes();
    let any = u32::MAX.to_ne_bytes();
    // The query for a socket with a link-local address must name its interface.
    let interface = match local {
        SocketAddr::V6(local) => local.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let parts: [&[u8]; 13] = [
        &u32::from(QUERY).to_ne_bytes(),
        &BY_FAMILY.to_ne_bytes(),
        &REQUEST.to_ne_bytes(),
        &[0; 8], // the number of the message, and the sender
        &[family, TCP, 0, 0],
        &any, // the states
        &local.port().to_be_bytes(),
        &remote.port().to_be_bytes(),
        &octets(local.ip()),
        &octets(remote.ip()),
        &interface.to_ne_bytes(),
        &any, // no cookie
        &any,
    ];
    parts.concat()
}

/// The answer: `struct nlmsghdr` and `struct inet_diag_msg`. The system may answer with the listening socket instead.
fn parse(answer: &[u8], remote: SocketAddr) -> Option<State> {
    let kind = answer.get(4..6)?;
    let message = answer.get(HEADER..ANSWER)?;
    let (state, timer, fired) = (*message.get(1)?, *message.get(2)?, *message.get(3)?);
    let is_it = kind == BY_FAMILY.to_ne_bytes()
        && state != LISTENING
        && message.get(6..8)? == remote.port().to_be_bytes();
    let number = |at: std::ops::Range<usize>| {
        let bytes = message.get(at)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    let (unread, unacknowledged) = (number(56..60)?, number(60..64)?);
    is_it.then_some(State {
        timer,
        fired,
        unacknowledged,
        unread,
    })
}
