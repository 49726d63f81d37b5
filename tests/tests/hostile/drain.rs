//! Tests a stop while peers have unfinished work.

use std::time::{Duration, Instant};

use rollcall_tests::process::Collector;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::peer::{Call, Peer, get, message};

/// Far below the ten seconds of grace, and long enough for a busy machine.
const SOON: Duration = Duration::from_secs(8);

async fn stops_soon(mut collector: Collector) {
    let start = Instant::now();
    let status = collector.terminate().await;
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_half_open_call_does_not_hold_up_a_stop() {
    let collector = Collector::start().await;
    let server = collector.listeners().grpc;
    let not_begun = Call::begin(server, "/ApplicationRegisterService/register", &[]).await;
    let half_sent = Call::begin(server, "/ApplicationRegisterService/register", &[]).await;
    half_sent.send(&message(b"\x0a\x01a")[..6]);
    let streamed = Call::begin(server, "/TraceSegmentService/collect", &[]).await;
    streamed.send(&message(b"half")[..6]);
    let mut post = TcpStream::connect(collector.listeners().jetty)
        .await
        .expect("a connection");
    let head = b"POST /application/register HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n[";
    post.write_all(head).await.expect("an open connection");
    // All of it has arrived once a later call on the same listeners is answered.
    collector
        .grpc()
        .await
        .application("a")
        .await
        .expect("an id");
    stops_soon(collector).await;
    drop((not_begun, half_sent, streamed, post));
}

#[tokio::test]
async fn an_answer_that_is_not_read_does_not_hold_up_a_stop() {
    let collector = Collector::start().await;
    let ui = collector.listeners().ui;
    let mut peer = Peer::connect(ui, 0).await;
    peer.send(&get(1, "/livez")).await;
    // The head of the answer arrives, and nothing else.
    while peer.next().await.expect("an open connection").stream != 1 {}
    stops_soon(collector).await;
}
