use std::{
    array,
    net::{SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Ports below the range of ephemeral ports, so that no connection and no listener with port 0 takes one between its choice and
/// its use, or while a process restarts. Each is returned once by a process, and processes begin at different places.
struct Ports {
    range: Range<u16>,
    next: AtomicU16,
}

impl Ports {
    const fn of(range: Range<u16>) -> Self {
        Self {
            range,
            next: AtomicU16::new(0),
        }
    }

    fn find(&self, is_free: impl Fn(u16) -> bool) -> u16 {
        let Range { start, end } = self.range;
        let count = end - start;
        // A prime step keeps the places of processes with neighbouring ids apart.
        let own = u64::from(process::id()) * 2503 % u64::from(count);
        let own = u16::try_from(own).expect("below a u16");
        (0..count)
            .map(|_| self.next.fetch_add(1, Ordering::Relaxed) % count)
            .map(|next| start + (own + next) % count)
            .find(|&port| is_free(port))
            .expect("a free port")
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok()
}

/// Free addresses, for processes that need their listen addresses as settings or keep them over a restart.
///
/// # Panics
/// When there is no free port.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    static PORTS: Ports = Ports::of(13_000..20_000);
    array::from_fn(|_| local(PORTS.find(is_free)))
}

/// Free addresses for the HTTP and gRPC faces of Nacos: clients expect the second port 1000 above the first.
///
/// # Panics
/// When no pair is free.
pub fn nacos_addresses() -> (SocketAddr, SocketAddr) {
    static PORTS: Ports = Ports::of(20_000..30_000);
    let port = PORTS
        .find(|port| is_free(port) && is_free(port + 1000) && UdpSocket::bind(local(port)).is_ok());
    (local(port), local(port + 1000))
}
