//! Opens a TCP connection to a host that may have several addresses.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{peer::Peer, random};

/// Each address of a host gets at least a quarter of the time for all of them, even if the host has more than four addresses.
const MOST_PARTS: u32 = 4;

/// Tries the addresses of `peer` in random order until one of them accepts. The addresses share the time `limit`, after which the
/// caller gives up. So an address that drops packets leaves time for others. The next attempt has another order.
pub(crate) async fn dial(peer: &Peer, limit: Duration) -> io::Result<TcpStream> {
    let addresses = lookup_host((peer.host(), peer.port())).await?.collect();
    first_of(random::shuffled(addresses), limit).await
}

async fn first_of(mut addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    let Some(last) = addresses.pop() else {
        return Err(io::Error::other("the host has no address"));
    };
    let parts = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let share = limit / parts.saturating_add(1).min(MOST_PARTS);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "cannot connect, trying the next address")
            }
            Err(_elapsed) => {
                tracing::debug!(%address, ?share, "no answer in time, trying the next address")
            }
        }
    }
    TcpStream::connect(last).await
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    /// An address that drops the packets of new connections, because the queue of its listener is full.
    fn silent() -> (Socket, Vec<std::net::TcpStream>, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
        let queued = std::iter::from_fn(|| connect().ok()).collect();
        (socket, queued, address)
    }

    #[tokio::test(start_paused = true)]
    async fn silent_and_refusing_addresses_leave_time_for_another() {
        let (_socket, _queued, silent) = silent();
        let refusing = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let accepting = listener.local_addr().unwrap();
        let addresses = vec![silent, refusing, accepting];
        let stream = timeout(LIMIT, first_of(addresses, LIMIT)).await;
        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), accepting);
    }

    #[tokio::test]
    async fn the_error_of_the_last_address_is_returned() {
        let refusing = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = first_of(vec![refusing; 3], LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        first_of(Vec::new(), LIMIT).await.unwrap_err();
    }
}
