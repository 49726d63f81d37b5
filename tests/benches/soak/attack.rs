//! The attacks. Each one occupies resources of the collector for some seconds, and then releases them.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::future::BoxFuture;
use rollcall_tests::{
    grpc::{self, raw},
    http,
    process::Listeners,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Attacks these listeners. The seed determines every random choice of the attack.
type Attack = fn(Listeners, u64) -> BoxFuture<'static, ()>;

/// All attacks. Each one is equally likely.
pub(crate) const ATTACKS: &[Attack] = &[
    |at, _| Box::pin(empty_elements(at, 2_500_000)),
    |at, _| Box::pin(empty_elements(at, 25_000_000)),
    |at, _| Box::pin(metrics(at)),
    |at, _| Box::pin(json_elements(at)),
    |at, seed| Box::pin(unread_answers(at, seed)),
    |at, _| Box::pin(half_open_streams(at)),
    |at, _| Box::pin(floods_of_streams(at)),
    |at, seed| Box::pin(garbage(at, seed)),
    |at, seed| Box::pin(scattered_ids(at, seed)),
    |at, _| Box::pin(idle_connections(at)),
    |at, _| Box::pin(slow_headers(at)),
];

/// How long an attack occupies its resources.
const HOLD: Duration = Duration::from_secs(10);

async fn send(server: SocketAddr, method: &str, message: Vec<u8>) {
    let length = u32::try_from(message.len()).expect("less than 4 GiB");
    drop(raw::call(server, method, raw::frame(length, &message)).await);
}

/// Sends a batch of empty instances, each of which has only two bytes on the wire.
async fn empty_elements(at: Listeners, count: usize) {
    let message = [0x0a, 0].repeat(count);
    send(at.grpc, "/Register/doServiceInstanceRegister", message).await;
}

async fn metrics(at: Listeners) {
    let message = [0x0a, 0].repeat(25_000_000);
    send(at.grpc, "/JVMMetricsService/collect", message).await;
}

async fn json_elements(at: Listeners) {
    let mut body = br#"["a""#.to_vec();
    body.extend(br#","a""#.repeat(13_000_000));
    body.push(b']');
    drop(
        http::Client::new(at.jetty)
            .post("/application/register", body)
            .await,
    );
}

/// Requests large answers and reads none of them.
async fn unread_answers(at: Listeners, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut connections = Vec::new();
    for _ in 0..40 {
        let Ok(mut connection) = TcpStream::connect(at.ui).await else {
            continue;
        };
        let path = rng
            .choice([
                "/metrics",
                "/api/applications?limit=1000",
                "/api/instances?limit=1000",
            ])
            .expect("some paths");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", at.ui).repeat(50);
        if connection.write_all(request.as_bytes()).await.is_ok() {
            connections.push(connection);
        }
    }
    tokio::time::sleep(HOLD).await;
}

/// Opens connections with many streams whose message never arrives.
async fn half_open_streams(at: Listeners) {
    let body = raw::frame(50 << 20, b"x");
    let calls = (0..200).map(|_| {
        let body = body.clone();
        async move { drop(raw::call(at.grpc, "/TraceSegmentService/collect", body).await) }
    });
    let all = futures_util::future::join_all(calls);
    drop(tokio::time::timeout(HOLD, all).await);
}

/// Opens many streams on each of many connections. All their frames are sent at once, which no client library does.
async fn floods_of_streams(at: Listeners) {
    let begun: Vec<u8> = (0..1000).flat_map(|stream| head(2 * stream + 1)).collect();
    let begun = [PREFACE, &begun].concat();
    let mut connections = Vec::new();
    for _ in 0..100 {
        let Ok(mut connection) = TcpStream::connect(at.grpc).await else {
            continue;
        };
        let sent = tokio::time::timeout(HOLD, connection.write_all(&begun)).await;
        if matches!(sent, Ok(Ok(()))) {
            connections.push(connection);
        }
    }
    tokio::time::sleep(HOLD).await;
}

/// The connection preface of HTTP/2 and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The HEADERS frame of an unfinished call on this stream. `:method` and `:scheme` come from the static table; the other fields are
/// literals.
fn head(stream: u32) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&[4][..], "/TraceSegmentService/collect"),
        (&[1], "localhost"),
        (b"\0\x0ccontent-type", "application/grpc"),
        (b"\0\x02te", "trailers"),
    ] {
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("a short value"));
        block.extend(value.as_bytes());
    }
    let length = u8::try_from(block.len()).expect("a short head");
    let mut frame = vec![0, 0, length, 1, 4];
    frame.extend(stream.to_be_bytes());
    frame.extend(block);
    frame
}

async fn garbage(at: Listeners, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    for server in [at.naming, at.grpc, at.jetty, at.ui] {
        let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..))
            .take(1 << 20)
            .collect();
        if let Ok(mut connection) = TcpStream::connect(server).await {
            let sent = connection.write_all(&noise).await;
            let mut answer = Vec::new();
            if sent.is_ok() {
                let read = connection.read_to_end(&mut answer);
                drop(tokio::time::timeout(HOLD, read).await);
            }
        }
    }
}

/// Sends heartbeats with widely spaced ids from a bounded pool.
async fn scattered_ids(at: Listeners, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let client = grpc::Client::lazy(at.grpc);
    for _ in 0..200 {
        drop(client.heartbeat(1_000_000 + 1024 * rng.i32(0..2_000)).await);
    }
}

async fn idle_connections(at: Listeners) {
    let mut connections = Vec::new();
    for _ in 0..300 {
        if let Ok(connection) = TcpStream::connect(at.jetty).await {
            connections.push(connection);
        }
    }
    tokio::time::sleep(HOLD).await;
}

async fn slow_headers(at: Listeners) {
    let mut connections = Vec::new();
    for _ in 0..50 {
        if let Ok(mut connection) = TcpStream::connect(at.naming).await {
            let start = Bytes::from_static(b"GET /agent/gRPC HTTP/1.1\r\nhost: x\r\nx-slow: ");
            if connection.write_all(&start).await.is_ok() {
                connections.push(connection);
            }
        }
    }
    tokio::time::sleep(HOLD).await;
}
