//! Tests answers that a peer does not read, or reads slowly.

use rollcall_tests::{PATIENCE, eventually, process::Collector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    task::JoinSet,
    time::timeout,
};

use crate::{
    peer::{GOAWAY, Peer, get, sample, streams},
    victim::Victim,
};

/// The path of the largest answer of a collector with few agents, which has some tens of KiB.
const LARGE: &str = "/metrics";

const CLOSED: &str = "rollcall_connections_closed_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_an_open_window_stay_within_their_budget() {
    let options = Collector::options().env("SW_SERVER_WRITE_TIMEOUT", "2s");
    let victim = Victim::start(options).await;
    let ui = victim.collector.listeners().ui;
    let mut attack = JoinSet::new();
    for _ in 0..60 {
        attack.spawn(async move {
            let mut peer = Peer::connect(ui, 0).await;
            let gets: Vec<u8> = streams(200).flat_map(|stream| get(stream, LARGE)).collect();
            peer.try_send(&gets).await.unwrap_or_default();
            peer
        });
    }
    let mut peers = attack.join_all().await;
    // Although each peer reads now, its connection is closed, because the collector has dropped the answers.
    for peer in &mut peers {
        peer.rest().await;
    }
    victim.agent_makes_progress().await;
    assert!(closed(ui, "unread").await >= 1.0);
    victim.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_fill_a_socket_are_abandoned() {
    let options = Collector::options().env("SW_SERVER_WRITE_TIMEOUT", "3s");
    let victim = Victim::start(options).await;
    let ui = victim.collector.listeners().ui;
    let request = format!("GET {LARGE} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut unread = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut stream = socket.connect(ui).await.expect("a connection");
        // The answers are larger than the buffers of both sides.
        let requests = request.repeat(1000);
        let written = timeout(PATIENCE, stream.write_all(requests.as_bytes())).await;
        written.unwrap_or(Ok(())).unwrap_or_default();
        unread.push(stream);
    }
    eventually(PATIENCE, async || match closed(ui, "unread").await {
        closed if closed >= 40.0 => Ok(()),
        closed => Err(format!("{closed} connections were closed")),
    })
    .await;
    for mut stream in unread {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        end.expect("closed").unwrap_or_default();
    }
    victim.survives().await;
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_is_not_abandoned() {
    let options = Collector::options().env("SW_SERVER_WRITE_TIMEOUT", "3s");
    let collector = options.start().await;
    let mut peer = Peer::connect(collector.listeners().ui, 16).await;
    peer.send(&get(1, LARGE)).await;
    // 16 bytes every 300 ms, for longer than twice the timeout of a connection without progress.
    let mut taken = 0;
    for _ in 0..24 {
        while taken % 16 == 0 || taken == 0 {
            let frame = peer.next().await.expect("an open connection");
            assert_ne!(frame.kind, GOAWAY);
            if frame.kind == crate::peer::DATA {
                taken += frame.payload.len();
                break;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        peer.send(&crate::peer::open(1, 16)).await;
    }
    assert!(taken >= 16 * 20, "{taken} bytes");
}

async fn closed(ui: std::net::SocketAddr, reason: &str) -> f64 {
    let listener = format!("{CLOSED}{{listener=\"{ui}\",reason=\"{reason}\"}}");
    sample(ui, &listener).await
}
