//! Tests a stop while peers have unfinished work.

use std::time::{Duration, Instant};

use rollcall_tests::{PATIENCE, process::Collector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::peer::{DATA, Peer, call, frame, get, message};

/// The longest time of a stop. It is below the ten seconds of grace, and long enough for a busy machine.
const SOON: Duration = Duration::from_secs(8);

async fn stops_soon(mut collector: Collector) {
    let start = Instant::now();
    let status = collector.terminate().await;
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_half_open_call_does_not_delay_a_stop() {
    let collector = Collector::start().await;
    let server = collector.listeners().grpc;
    let mut calls = Vec::new();
    for (path, body) in [
        ("/ApplicationRegisterService/register", &[][..]),
        (
            "/ApplicationRegisterService/register",
            &message(b"\x0a\x01a")[..6],
        ),
        ("/TraceSegmentService/collect", &message(b"half")[..6]),
    ] {
        let mut peer = Peer::connect(server, 1 << 16).await;
        peer.send(&call(1, path, &[])).await;
        peer.send(&frame(DATA, 0, 1, body)).await;
        peer.is_read().await;
        calls.push(peer);
    }
    let mut post = TcpStream::connect(collector.listeners().jetty)
        .await
        .expect("a connection");
    let head = b"POST /application/register HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    post.write_all(head).await.expect("an open connection");
    // The collector sends this status when it begins to read the body.
    let mut begun = [0; 25];
    let read = timeout(PATIENCE, post.read_exact(&mut begun)).await;
    read.expect("an answer in time").expect("an answer");
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    post.write_all(b"[").await.expect("an open connection");
    stops_soon(collector).await;
    drop((calls, post));
}

#[tokio::test]
async fn an_unread_answer_does_not_delay_a_stop() {
    let collector = Collector::start().await;
    let ui = collector.listeners().ui;
    let mut peer = Peer::connect(ui, 0).await;
    peer.send(&get(1, "/livez")).await;
    // Only the head of the answer arrives.
    while peer.next().await.expect("an open connection").stream != 1 {}
    stops_soon(collector).await;
}
