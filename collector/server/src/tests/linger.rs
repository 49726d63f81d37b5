//! Answers that are sent before the whole request has arrived reach a peer that sends all of it before it reads.

use std::io::{Read, Write};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::secure::HTTP1;
use super::*;
use crate::linger::{LONGEST, SILENCE};
use crate::{Closed, Serves};

const BODY: usize = 512 << 10;
const REFUSAL: &str = "the body is too large for this test";
const TOO_LARGE: (&str, &str) = ("HTTP/1.1 413 ", REFUSAL);

/// Answers without reading the body.
pub(super) async fn refuse(body: Arrived) -> (http::StatusCode, &'static str) {
    drop(body);
    (http::StatusCode::PAYLOAD_TOO_LARGE, REFUSAL)
}

/// A request with a body, in pieces.
fn pieces(count: usize) -> Vec<Vec<u8>> {
    let head = format!("POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n");
    let mut pieces = vec![head.into_bytes()];
    pieces.extend(std::iter::repeat_n(vec![b'x'; BODY / count], count));
    pieces
}

/// Sends all `pieces` with a pause after each, and reads only then. A reset is an error. Blocks its thread.
fn talk(
    stream: &mut (impl Read + Write),
    pieces: &[Vec<u8>],
    pause: Duration,
) -> std::io::Result<String> {
    for piece in pieces {
        stream.write_all(piece)?;
        stream.flush()?;
        Handle::current().block_on(tokio::time::sleep(pause));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Running {
    /// As [`talk`], on a new connection and a thread of its own, which the server does not wait for.
    async fn talk(&self, pieces: Vec<Vec<u8>>, pause: Duration) -> std::io::Result<String> {
        let address = self.address;
        let talking = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            talk(&mut stream, &pieces, pause)
        });
        talking.await.unwrap()
    }
}

#[track_caller]
fn assert_refused(answer: std::io::Result<String>, (status, text): (&str, &str)) {
    let answer = answer.expect("no reset");
    assert!(answer.starts_with(status), "{answer}");
    assert!(answer.contains(text), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_peer_that_reads_after_its_whole_body_gets_the_refusal() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        for _ in 0..100 {
            let answer = server.talk(pieces(64), Duration::ZERO).await;
            assert_refused(answer, TOO_LARGE);
        }
        server.wait_for_open(0).await;
        assert_eq!(server.stats.closed_for(Closed::Unclosed), 0);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_sends_its_body_slowly_gets_the_refusal() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        // It sends for a longer time than it may be silent.
        let answer = server.talk(pieces(4), SILENCE / 3).await;
        assert_refused(answer, TOO_LARGE);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_reads_after_its_refused_head_gets_the_refusal() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let rest = || std::iter::repeat_n(vec![b'x'; 8 << 10], 64);
        for (first, status) in [
            (&b"GET / HTTP/1.1\r\nhost: x\r\nx: "[..], "HTTP/1.1 431 "),
            (b"GET\r\n", "HTTP/1.1 400 "),
        ] {
            let pieces = std::iter::once(first.to_vec()).chain(rest()).collect();
            let answer = server.talk(pieces, Duration::from_millis(1)).await;
            assert_refused(answer, (status, ""));
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_of_a_tls_port_gets_the_refusal_with_tls_and_without() {
    local(async {
        for (serves, plain) in [
            (Serves::PlainAndTls, TOO_LARGE),
            (
                Serves::TlsOnly,
                ("HTTP/1.1 400 ", "this port serves TLS only"),
            ),
        ] {
            let secured = secure::generous(serves).await;
            let server = &secured.server;
            assert_refused(server.talk(pieces(64), Duration::ZERO).await, plain);
            let (address, client) = (server.address, secured.authority.client(None, HTTP1));
            let talking = tokio::task::spawn_blocking(move || {
                let name = ServerName::try_from("localhost").unwrap();
                let mut session = ClientConnection::new(client, name).unwrap();
                let mut socket = std::net::TcpStream::connect(address)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                let mut stream = rustls::Stream::new(&mut session, &mut socket);
                talk(&mut stream, &pieces(64), Duration::from_millis(1))
            });
            assert_refused(talking.await.unwrap(), TOO_LARGE);
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_ends_its_direction_abandons_its_request() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut peer = server.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        server.wait_for_slow().await;
        peer.shutdown().await.unwrap();
        assert_eq!(everything(&mut peer).await, "");
        server.wait_for_open(0).await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_neither_sends_nor_closes_is_cut_off() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut peer = server.send(&pieces(64).concat()[..BODY / 2]).await;
        let start = Instant::now();
        assert!(everything(&mut peer).await.ends_with(REFUSAL));
        assert_eq!((server.stats.open(), server.stats.lingering()), (1, 1));
        server.wait_for_open(0).await;
        assert_eq!(server.stats.lingering(), 0);
        assert!(start.elapsed() >= SILENCE);
        assert_eq!(server.stats.closed_for(Closed::Unclosed), 1);
        server.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_never_stops_sending_is_cut_off() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut peer = server.connect().await;
        peer.write_all(b"POST /refused HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        let piece = vec![b'x'; 64 << 10];
        let endless = async { while peer.write_all(&piece).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, endless).await.unwrap();
        server.wait_for_open(0).await;
        assert_eq!(server.stats.closed_for(Closed::Unclosed), 1);
    })
    .await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_peers_that_do_not_close() {
    local(async {
        let server = start(Limits::generous(), Duration::from_secs(3600)).await;
        let mut idle = server.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        idle.read_exact(&mut [0; 100]).await.unwrap();
        let mut posted = server
            .send(b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx")
            .await;
        let mut answer = [0; 100];
        posted.read_exact(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("connection: close"), "{answer}");
        let start = Instant::now();
        server.cancel.cancel();
        let served = tokio::time::timeout(PATIENCE, server.served);
        served.await.unwrap().unwrap().unwrap();
        assert!(start.elapsed() < SILENCE, "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_drain_waits_a_moment_for_a_peer_that_still_sends() {
    local(async {
        let server = start(Limits::generous(), Duration::from_secs(3600)).await;
        let mut peer = server.send(&pieces(64).concat()[..BODY / 2]).await;
        let mut answer = [0; 12];
        peer.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
        let start = Instant::now();
        server.cancel.cancel();
        let drip = async {
            while peer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SILENCE / 20).await;
            }
        };
        let served = tokio::time::timeout(PATIENCE, server.served);
        let (served, ()) = tokio::join!(served, drip);
        served.unwrap().unwrap().unwrap();
        assert!(start.elapsed() < LONGEST / 2, "{:?}", start.elapsed());
    })
    .await;
}
