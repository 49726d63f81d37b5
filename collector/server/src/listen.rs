//! Binds a port, and listens on it.
//!
//! These are two steps. A port is bound early, so that a port in use is reported before anything else happens. Until the
//! collector listens on it, a peer that connects is refused at once and tries another collector instead of waiting for an
//! answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};

use super::Stats;

#[cfg(test)]
mod tests;

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// A bound port that does not listen yet.
#[derive(Debug)]
pub struct Bound {
    socket: TcpSocket,
    host: String,
    address: SocketAddr,
    stats: Arc<Stats>,
}

/// A listening port. Connections wait until it is served.
#[derive(Debug)]
pub struct Listening {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) stats: Arc<Stats>,
}

/// Why an endpoint cannot be bound or listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host} port {port}")]
pub struct BindError {
    /// The host, as configured.
    pub host: String,
    /// The port, as configured.
    pub port: u16,
    /// Whether the host has an address. If not, the cause is the failure of the look-up.
    pub is_resolved: bool,
    /// The cause: the name has no address, the port is in use, the port is not allowed ...
    #[source]
    pub source: io::Error,
}

/// Binds the port of `host`; port 0 lets the system choose one. If a name has several addresses, IPv4 is tried first, because
/// agents of 3.x and 5.x resolve names that way. The next address is tried only if this machine does not have the previous one. A
/// port in use is an error, since agents would otherwise reach another program.
///
/// # Errors
/// The name has no address, or the first address that this machine has cannot be bound.
pub async fn bind(host: &str, port: u16) -> Result<Bound, BindError> {
    let error = |is_resolved| {
        move |source| BindError {
            host: host.to_owned(),
            port,
            is_resolved,
            source,
        }
    };
    let found = tokio::net::lookup_host((host, port)).await;
    let mut addresses: Vec<SocketAddr> = found.map_err(error(false))?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let socket = take_first(&addresses).map_err(error(!addresses.is_empty()))?;
    let address = socket.local_addr().map_err(error(true))?;
    Ok(Bound {
        socket,
        host: host.to_owned(),
        address,
        stats: Arc::default(),
    })
}

/// Binds the port of the first address that this machine has.
fn take_first(addresses: &[SocketAddr]) -> io::Result<TcpSocket> {
    let mut absent = None;
    for address in addresses {
        match take(*address) {
            Err(error) if is_absent(&error) => absent = Some(error),
            taken => return taken,
        }
    }
    Err(absent.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Whether this machine lacks the address or its family.
fn is_absent(error: &io::Error) -> bool {
    let no_such_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_such_family)
}

fn take(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // So a restart does not have to wait for the connections of the previous process.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Bound {
    /// The address, with the bound port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters of this listener.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// Another process listened on the port at the same time.
    pub fn listen(self) -> Result<Listening, BindError> {
        let Self {
            socket,
            host,
            address,
            stats,
        } = self;
        let listener = socket.listen(BACKLOG).map_err(|source| BindError {
            host,
            port: address.port(),
            is_resolved: true,
            source,
        })?;
        Ok(Listening {
            listener,
            address,
            stats,
        })
    }
}

impl Listening {
    /// The address, with the bound port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters of this listener.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }
}
