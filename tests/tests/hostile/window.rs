//! Tests frames that are cheap to send and expensive to serve.

use std::time::{Duration, Instant};

use rollcall_tests::{PATIENCE, http, process::Collector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use crate::{
    peer::{DATA, GOAWAY, PING, Peer, call, frame, get, sample, streams, window},
    victim::Victim,
};

/// Sends `flood` repeatedly until the collector sends GOAWAY or closes the connection. Returns whether it sent GOAWAY.
async fn flood(mut peer: Peer, flood: Vec<u8>) -> bool {
    let (mut read, mut write) = peer.stream.split();
    let sending = async {
        while write.write_all(&flood).await.is_ok() {}
        // When the collector no longer reads, the peer can still receive its GOAWAY.
        std::future::pending::<()>().await;
    };
    let mut seen = Vec::new();
    let reading = async {
        loop {
            let from = seen.len().saturating_sub(HEAD - 1);
            match read.read_buf(&mut seen).await {
                Ok(0) | Err(_) => return false,
                Ok(_) if has_goaway(&seen[from..]) => return true,
                Ok(_) => {}
            }
        }
    };
    let goaway = async {
        tokio::select! {
            () = sending => unreachable!("sending never ends"),
            goaway = reading => goaway,
        }
    };
    timeout(PATIENCE, goaway)
        .await
        .expect("the collector ends the flood")
}

/// The length of a frame's head, which precedes the payload.
const HEAD: usize = 9;

/// Whether the bytes contain the head of a GOAWAY frame: a short frame on stream 0.
fn has_goaway(bytes: &[u8]) -> bool {
    bytes
        .windows(HEAD)
        .any(|head| head[..2] == [0, 0] && head[3..] == [GOAWAY, 0, 0, 0, 0, 0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_toggle_the_window_are_closed_and_naming_stays_fast() {
    let victim = Victim::start(Collector::options()).await;
    let listeners = victim.collector.listeners();
    let mut attack = JoinSet::new();
    for _ in 0..4 {
        attack.spawn(async move {
            let mut peer = Peer::connect(listeners.ui, 0).await;
            let gets: Vec<u8> = streams(1000)
                .flat_map(|stream| get(stream, "/livez"))
                .collect();
            peer.send(&gets).await;
            let bounce = [window(1), window(0)].concat();
            flood(peer, bounce.repeat(1000)).await
        });
    }
    let (mut delays, naming) = (Vec::new(), http::Client::new(listeners.naming));
    for _ in 0..50 {
        let start = Instant::now();
        naming.get("/agent/gRPC").await.expect("naming");
        delays.push(start.elapsed());
    }
    delays.sort();
    let median = delays[delays.len() / 2];
    assert!(median < Duration::from_millis(100), "{delays:?}");
    assert_eq!(attack.join_all().await, [true; 4], "GOAWAY");
    // The streams of the four peers also fill the budget of connections, and a peer may reach either limit first.
    let mut closed = 0.0;
    for reason in ["flood", "over_budget"] {
        let ui = listeners.ui;
        let counter =
            format!("rollcall_connections_closed_total{{listener=\"{ui}\",reason=\"{reason}\"}}");
        closed += sample(ui, &counter).await;
    }
    assert!(closed >= 4.0, "{closed} connections closed");
    victim.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_without_a_request_are_closed() {
    let victim = Victim::start(Collector::options()).await;
    let listeners = victim.collector.listeners();
    let ping = frame(PING, 0, 0, &[7; 8]);
    let unknown = frame(0x42, 0, 1, b"");
    let update = frame(8, 0, 0, &1_u32.to_be_bytes());
    let priority = frame(2, 0, 3, &[0, 0, 0, 0, 1]);
    for cheap in [ping, unknown, update, priority] {
        let mut peer = Peer::connect(listeners.grpc, 65_535).await;
        peer.send(&call(1, "/TraceSegmentService/collect", &[]))
            .await;
        let head = cheap.clone();
        assert!(
            flood(peer, cheap.repeat(500)).await,
            "no GOAWAY for {head:?}"
        );
    }
    let mut peer = Peer::connect(listeners.grpc, 65_535).await;
    peer.send(&call(1, "/TraceSegmentService/collect", &[]))
        .await;
    assert!(
        flood(peer, frame(DATA, 0, 1, b"").repeat(500)).await,
        "GOAWAY"
    );
    victim.survives().await;
}
