use std::{
    array,
    net::{SocketAddr, TcpListener},
};

/// Addresses that were free a moment ago, for a process that has to be told where to listen.
///
/// # Panics
/// When the system has none.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until the last is known, so that no two are the same.
    let listeners: [TcpListener; N] =
        array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound address"))
}
