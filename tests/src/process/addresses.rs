use std::{
    array,
    net::{SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    process,
};

use parking_lot::Mutex;

/// The number of ports of a block.
const SIZE: u16 = 250;

/// Blocks of ports below the range of ephemeral ports. The system gives none of them to a connection or to a listener with port 0,
/// so a port stays free between its choice and its use, and while a process restarts.
///
/// Each process has its own blocks: it listens on the first port of each block while it lives, and other tests skip a block whose
/// first port is in use. So tests that run at the same time never share a port. Every other port of a block is returned at most
/// once.
struct Ports {
    blocks: u16,
    /// The first port of each block.
    first: fn(u16) -> u16,
    taken: Mutex<Taken>,
}

/// The blocks of this process.
struct Taken {
    /// The ports of the last block that have not yet been returned.
    rest: Range<u16>,
    /// The listeners on the first ports of the blocks.
    reserved: Vec<TcpListener>,
}

impl Ports {
    const fn of(blocks: u16, first: fn(u16) -> u16) -> Self {
        Self {
            blocks,
            first,
            taken: Mutex::new(Taken {
                rest: 0..0,
                reserved: Vec::new(),
            }),
        }
    }

    fn find(&self, is_free: impl Fn(u16) -> bool) -> u16 {
        let mut taken = self.taken.lock();
        loop {
            if let Some(port) = taken.rest.find(|&port| is_free(port)) {
                return port;
            }
            let (listener, rest) = self.reserve();
            taken.reserved.push(listener);
            taken.rest = rest;
        }
    }

    /// Finds a block that no process has, and returns it with the listener that reserves it.
    fn reserve(&self) -> (TcpListener, Range<u16>) {
        // Processes begin at different blocks, so a block is not used again soon.
        let own = process::id() % u32::from(self.blocks);
        let own = u16::try_from(own).expect("below a u16");
        (0..self.blocks)
            .map(|next| (self.first)((own + next) % self.blocks))
            .find_map(|first| {
                let listener = TcpListener::bind(local(first)).ok()?;
                Some((listener, first + 1..first + SIZE))
            })
            .expect("a block of ports that no process has")
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok()
}

/// Free addresses, for processes that take their listen addresses as settings or keep them across a restart.
///
/// # Panics
/// When there is no free port.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // The ports from 13,000 to 20,000.
    static PORTS: Ports = Ports::of(28, |block| 13_000 + block * SIZE);
    array::from_fn(|_| local(PORTS.find(is_free)))
}

/// Free addresses for the HTTP and gRPC faces of Nacos. Clients expect the gRPC port to be the HTTP port plus 1000.
///
/// # Panics
/// When no pair is free.
pub fn nacos_addresses() -> (SocketAddr, SocketAddr) {
    // The ports from 20,000 to 30,000: a thousand of first ports, then a thousand of second ones, and so on.
    static PORTS: Ports = Ports::of(20, |block| 20_000 + block / 4 * 2000 + block % 4 * SIZE);
    let port = PORTS
        .find(|port| is_free(port) && is_free(port + 1000) && UdpSocket::bind(local(port)).is_ok());
    (local(port), local(port + 1000))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Blocks that only the tests of this module use.
    fn ports() -> Ports {
        Ports::of(10, |block| 30_000 + block * SIZE)
    }

    #[test]
    fn a_process_takes_another_block_when_one_is_used_up() {
        let ports = ports();
        let all: BTreeSet<u16> = (0..SIZE + 10).map(|_| ports.find(|_| true)).collect();
        assert_eq!(all.len(), usize::from(SIZE + 10));
        assert_eq!(ports.taken.lock().reserved.len(), 2);
    }

    #[test]
    fn two_processes_have_no_port_in_common() {
        // Within a process, two values are like two processes.
        let (one, other) = (ports(), ports());
        let of =
            |ports: &Ports| -> BTreeSet<u16> { (0..200).map(|_| ports.find(|_| true)).collect() };
        let (first, second) = (of(&one), of(&other));
        assert_eq!((first.len(), second.len()), (200, 200));
        assert_eq!(first.intersection(&second).count(), 0);
    }
}
