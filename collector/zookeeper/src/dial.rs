//! Opens a TCP connection to a server that may have several addresses.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Of the time for all addresses of a server, one gets at least this part, however many there are.
const SMALLEST_PART: u32 = 4;

/// Tries the addresses of `server` (`host:port`) in random order until one accepts. The caller gives up after `limit`. Until then
/// the addresses share the time, so one that drops packets leaves time for others.
pub(crate) async fn dial(server: &str, limit: Duration) -> io::Result<TcpStream> {
    let mut addresses: Vec<SocketAddr> = lookup_host(server).await?.collect();
    fastrand::shuffle(&mut addresses);
    first_of(addresses, limit).await
}

/// Without a name to resolve, for tests.
pub(crate) async fn first_of(
    mut addresses: Vec<SocketAddr>,
    limit: Duration,
) -> io::Result<TcpStream> {
    let Some(last) = addresses.pop() else {
        return Err(io::Error::other("the host has no address"));
    };
    let parts = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let share = limit / parts.saturating_add(1).min(SMALLEST_PART);
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}
