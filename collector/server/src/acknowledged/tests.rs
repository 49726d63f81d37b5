use std::net::{TcpListener, TcpStream};

use super::queries::{MOST_AT_ONCE, MOST_IN_A_SECOND};
use super::*;
use crate::tests::PATIENCE;

/// A connection within this machine: the accepted socket, and the one of the peer.
fn connected(listen: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(listen).unwrap();
    let mut address = listener.local_addr().unwrap();
    if address.ip().is_unspecified() {
        address.set_ip([127, 0, 0, 1].into());
    }
    let peer = TcpStream::connect(address).unwrap();
    (listener.accept().unwrap().0, peer)
}

fn read_of(socket: &TcpStream) -> Option<bool> {
    read(socket.local_addr().unwrap(), socket.peer_addr().unwrap()).unwrap()
}

/// Waits until the state of a socket shows this.
#[track_caller]
fn shows(socket: &TcpStream, expected: Option<bool>) {
    let start = tokio::time::Instant::now();
    while read_of(socket) != expected {
        let waited = start.elapsed();
        assert!(waited < PATIENCE, "{:?} after {waited:?}", read_of(socket));
        std::thread::yield_now();
    }
}

#[test]
fn the_machine_of_a_process_that_reads_nothing_acknowledges() {
    use std::io::Write as _;
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let listen = ["127.0.0.1:0", "[::1]:0", "[::]:0"];
    for listen in &listen[..if has_ipv6 { 3 } else { 1 }] {
        let (mut socket, peer) = connected(listen);
        socket.write_all(b"a ping").unwrap();
        shows(&socket, Some(true));
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        shows(&socket, Some(true));
        drop(peer);
    }
}

#[test]
fn a_machine_that_lost_its_network_does_not_acknowledge() {
    use std::io::Write as _;
    let (mut socket, peer) = connected("127.0.0.1:0");
    // The instruction `return 0` of a packet filter: the system drops every packet for the peer's socket.
    let none = socket2::SockFilter::new(0x06, 0, 0, 0);
    socket2::SockRef::from(&peer)
        .attach_filter(&[none])
        .unwrap();
    socket.write_all(b"a ping").unwrap();
    // Until the system repeats it for the first time, the state shows nothing.
    shows(&socket, Some(false));
}

#[test]
fn a_socket_that_does_not_exist_has_no_state() {
    let (socket, peer) = connected("127.0.0.1:0");
    let local = socket.local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap();
    assert_eq!(read(local, other).unwrap(), None);
    // The system answers with the listening socket.
    assert_eq!(read(other, local).unwrap(), None);
    drop(peer);
}

#[test]
fn a_machine_does_not_acknowledge_while_bytes_are_retransmitted() {
    let state = |timer, fired, unacknowledged, unread| State {
        timer,
        fired,
        unacknowledged,
        unread,
    };
    let verdict = |timer, fired, sent| state(timer, fired, sent, 0).verdict();
    assert_eq!(verdict(0, 0, 0), Some(true), "everything is acknowledged");
    assert_eq!(verdict(RETRANSMISSION, 0, 17), None, "just sent");
    assert_eq!(verdict(RETRANSMISSION, 3, 17), Some(false));
    assert_eq!(verdict(PROBE, 0, 4096), Some(true), "it has no room");
    assert_eq!(verdict(PROBE, 1, 4096), Some(true), "a probe is on its way");
    assert_eq!(verdict(PROBE, 4, 4096), Some(false));
    assert_eq!(verdict(0, 0, 17), None);
}

#[test]
fn bytes_that_wait_unread_say_nothing_about_the_peer() {
    let (socket, mut peer) = connected("127.0.0.1:0");
    shows(&socket, Some(true));
    io::Write::write_all(&mut peer, b"an answer").unwrap();
    shows(&socket, None);
}

#[test]
fn queries_are_bounded_at_a_time() {
    let queries = Queries::default();
    fn nested(queries: &Queries, depth: usize) -> Option<bool> {
        queries.run(|| {
            let inner = (depth > 1).then(|| nested(queries, depth - 1));
            Ok(inner.unwrap_or(Some(true)))
        })
    }
    assert_eq!(nested(&queries, MOST_AT_ONCE), Some(true));
    assert_eq!(nested(&queries, MOST_AT_ONCE + 1), None);
    assert_eq!(nested(&queries, MOST_AT_ONCE), Some(true), "all have ended");
    assert_eq!(queries.counts()[2], 1);
}

#[tokio::test(start_paused = true)]
async fn queries_are_bounded_in_a_second() {
    let queries = Queries::default();
    let run = || queries.run(|| Ok(Some(false)));
    for _ in 0..MOST_IN_A_SECOND {
        assert_eq!(run(), Some(false));
    }
    assert_eq!(run(), None);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(run(), Some(false));
    assert_eq!(
        queries.run(|| Err(io::ErrorKind::PermissionDenied.into())),
        None
    );
    assert_eq!(queries.counts(), [MOST_IN_A_SECOND as u64 + 1, 1, 1]);
}
