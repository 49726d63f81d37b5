use std::{
    array,
    net::{SocketAddr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Addresses that were free a moment ago, for a process that needs its listen addresses as settings.
///
/// # Panics
/// When the system has no free port.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All listeners stay open until the last address is known, so that no two addresses are equal.
    let listeners: [TcpListener; N] =
        array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound address"))
}

/// Free addresses for the HTTP and gRPC faces of Nacos: clients expect the second port 1000 above the first.
///
/// The ports are below the range of ephemeral ports, so no connection takes them meanwhile.
///
/// # Panics
/// When no pair is free.
pub fn nacos_addresses() -> (SocketAddr, SocketAddr) {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(process::id() % u32::from(COUNT)).expect("below a u16");
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let is_free = |port| TcpListener::bind(address(port)).is_ok();
    (0..COUNT)
        .map(|_| FIRST + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|&port| {
            is_free(port) && is_free(port + 1000) && UdpSocket::bind(address(port)).is_ok()
        })
        .map(|port| (address(port), address(port + 1000)))
        .expect("a free pair of ports")
}
