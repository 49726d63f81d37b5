//! Tests peers that use up every descriptor: naming and the probes are still answered, and other peers keep their share.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE, eventually,
    process::{Collector, free_addresses},
};
use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::wire::{exchange, status};

/// The longest answer time on a busy machine.
const PROMPT: Duration = Duration::from_secs(5);

/// Connects from this local address, which counts as a separate peer.
async fn connect(from: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = SocketAddr::from((Ipv4Addr::from(from), 0));
    socket.bind(from).unwrap();
    socket.connect(server).await.unwrap()
}

/// Opens idle connections, like those of agents between two calls.
async fn hold(from: [u8; 4], server: SocketAddr, connections: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..connections {
        held.push(connect(from, server).await);
    }
    held
}

async fn get(server: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let called = Instant::now();
    let answer = exchange(server, request.as_bytes()).await;
    assert_eq!(status(&answer), 200, "{path}: {answer}");
    let took = called.elapsed();
    assert!(took < PROMPT, "{path} took {took:?}");
    answer
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn peers_that_take_every_descriptor_do_not_affect_naming_and_probes() {
    // Agents over HTTP share the port of the probes, as by default.
    let [http] = free_addresses();
    let port = http.port().to_string();
    let options = Collector::options().release().ulimit("-n 300");
    let options = options.env("SW_AGENT_JETTY_PORT", &port);
    let mut collector = options.env("SW_UI_JETTY_PORT", &port).start().await;
    collector.expect_log("leaves room for fewer connections");
    collector.expect_log("no room for more connections");
    let listeners = collector.listeners();
    let ready = body(&get(http, "/readyz").await);
    let limit = ready["connections"]["limit"].as_u64().unwrap();
    assert!((100..300).contains(&limit), "{ready}");
    assert_eq!(ready["connections"]["limit_per_listener"], limit);

    // One address cannot use up all connections: another address can still register over gRPC, and keeps its connection.
    let mut held = Vec::new();
    for server in [listeners.grpc, listeners.naming, http] {
        held.extend(hold([127, 0, 0, 2], server, 300).await);
    }
    let agent = collector.grpc().await;
    assert_ne!(agent.application("orders").await.unwrap(), 0);

    // Several addresses together can. The naming port and the HTTP port still answer every request.
    for server in [listeners.grpc, listeners.naming, http] {
        held.extend(hold([127, 0, 0, 3], server, 300).await);
    }
    for _ in 0..20 {
        get(listeners.naming, "/agent/gRPC").await;
        get(http, "/livez").await;
    }
    let ready = body(&get(http, "/readyz").await);
    assert_eq!(ready["status"], "degraded", "{ready}");
    assert!(
        ready["reasons"]["connections"]
            .as_str()
            .unwrap()
            .contains("ulimit"),
        "{ready}"
    );
    let metrics = get(http, "/metrics").await;
    let limits = format!("rollcall_connections_limit{{of=\"descriptors\"}} {limit}");
    assert!(metrics.contains(&limits), "{metrics}");
    assert!(metrics.contains("reason=\"peer\""), "{metrics}");

    // Existing connections keep working, and the collector is ready again once the held connections are closed.
    assert_ne!(agent.application("stock").await.unwrap(), 0);
    drop(held);
    eventually(PATIENCE, async || {
        let ready = body(&get(http, "/readyz").await);
        if ready["status"] == "ready" {
            Ok(())
        } else {
            Err(ready)
        }
    })
    .await;
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_peer_beyond_its_limit_is_closed_at_once() {
    let options = Collector::options().release();
    let options = options.env("SW_SERVER_MAX_CONNECTIONS_PER_PEER", "10");
    let mut collector = options.start().await;
    collector.expect_log("no room for more connections");
    let grpc = collector.listeners().grpc;
    let mut held = hold([127, 0, 0, 2], grpc, 20).await;
    for stream in held.split_off(10) {
        let mut stream = stream;
        let read = tokio::time::timeout(PROMPT, stream.read(&mut [0; 1]))
            .await
            .unwrap();
        assert!(
            matches!(read, Ok(0) | Err(_)),
            "the connection is still open"
        );
    }
    let agent = collector.grpc().await;
    assert_ne!(agent.application("orders").await.unwrap(), 0);
    assert_eq!(collector.terminate().await.code(), Some(0));
}
