//! Asks the system whether the machine of a peer acknowledges the bytes that were sent to it.
//!
//! If a peer does not answer, its process is paused or hangs, or its machine or the network is unavailable. TCP distinguishes the
//! two: the system of a paused process acknowledges bytes that arrive, and an unavailable machine acknowledges nothing. Linux
//! reports the state of a socket through a netlink socket (`sock_diag(7)`), to every process and without a privilege. A query takes
//! some microseconds. Queries are made only at the end of a connection whose peer did not answer, and [`Queries`] bounds them.
//!
//! A proxy between the peer and this collector acknowledges for the peer.

use std::io;
use std::net::{IpAddr, SocketAddr};

#[cfg(target_os = "linux")]
mod netlink;
mod queries;
#[cfg(test)]
mod tests;

pub use queries::Queries;

/// The timer that sends bytes again until they are acknowledged.
const RETRANSMISSION: u8 = 1;
/// The timer that probes a peer without receive window until it has one.
const PROBE: u8 = 4;

/// The state of a connected socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// The timer that is running; 0 if none is.
    timer: u8,
    /// How often the timer fired since the peer acknowledged something.
    fired: u8,
    /// Bytes that were sent and are not acknowledged. The end of the stream counts as one.
    unacknowledged: u32,
    /// Bytes of the peer that this collector has not read.
    unread: u32,
}

impl State {
    /// Whether the machine of the peer acknowledges the bytes sent to it; `None` if the state does not show it.
    const fn verdict(self) -> Option<bool> {
        match self {
            // The peer has sent bytes that are unread here, so this collector did not run.
            Self { unread: 1.., .. } => None,
            Self {
                unacknowledged: 0, ..
            } => Some(true),
            Self {
                timer: RETRANSMISSION,
                fired: 1..,
                ..
            } => Some(false),
            Self {
                timer: PROBE,
                fired: 0..=1,
                ..
            } => Some(true),
            Self {
                timer: PROBE,
                fired: 2..,
                ..
            } => Some(false),
            _ => None,
        }
    }
}

/// Whether the machine of the peer at `remote` acknowledges the bytes sent on the socket with the address `local`; `None` if the
/// system does not show it.
///
/// # Errors
/// The system refuses the query, for instance in a sandbox without netlink.
pub(super) fn read(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<bool>> {
    Ok(state(local, remote)?.and_then(State::verdict))
}

#[cfg(target_os = "linux")]
fn state(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<State>> {
    netlink::state(local, remote)
}

#[cfg(not(target_os = "linux"))]
fn state(_local: SocketAddr, _remote: SocketAddr) -> io::Result<Option<State>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The bytes of an address as the system reports it: 16 bytes, of which IPv4 uses the first four.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}
