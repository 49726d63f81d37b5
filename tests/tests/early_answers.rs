//! Tests every listener with a client that sends its whole request before it reads. The client must get the answer even if the
//! collector sent it before the end of the request.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use rollcall_tests::{
    PATIENCE,
    process::{Collector, Listeners},
};

/// The size of a body: larger than the limits below, and small enough for the collector to read and discard.
const BODY: usize = 1 << 20;
const PIECE: usize = 16 << 10;
/// The number of requests to each listener.
const ROUNDS: usize = 20;

/// Sends a request with its whole body, and then reads the answer. Blocks. A reset of the connection is an error.
fn post(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    for _ in 0..BODY / PIECE {
        stream.write_all(&[b'x'; PIECE])?;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_only_after_it_has_sent_its_body_gets_the_refusal() {
    let collector = Collector::options()
        .env("SW_AGENT_JETTY_MAX_BODY_SIZE", "64KiB")
        .env("SW_NACOS_MAX_MESSAGE_SIZE", "64KiB")
        .start()
        .await;
    let nacos = collector.nacos().await;
    let Listeners {
        naming,
        grpc,
        jetty,
        ui,
        ..
    } = collector.listeners();
    let overridden = "/api/services/instances/override?service=orders&ip=10.0.0.1&port=80";
    for (server, path, status, text) in [
        (naming, "/agent/gRPC", 405, "GET"),
        (
            grpc,
            "/TraceSegmentService/collect",
            415,
            "application/grpc",
        ),
        (jetty, "/segments", 413, "agent_jetty.jetty.max_body_size"),
        (ui, overridden, 413, "nacos.default.max_metadata"),
        (
            nacos,
            "/nacos/v1/ns/instance",
            413,
            "nacos.default.max_message_size",
        ),
    ] {
        for round in 0..ROUNDS {
            let answered = tokio::task::spawn_blocking(move || post(server, path)).await;
            let answer = match answered.unwrap() {
                Ok(answer) => answer,
                Err(error) => panic!("{path} in round {round}: {error}"),
            };
            let begin = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&begin), "{path}: {answer}");
            assert!(answer.contains(text), "{path}: {answer}");
            assert!(answer.contains("connection: close"), "{path}: {answer}");
        }
    }
}
