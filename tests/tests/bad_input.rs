//! Tests that invalid input gets a clear error of the protocol or a closed connection, that memory stays bounded, that nothing
//! panics, and that the next client is served. (The harness fails every test whose collector has logged a panic or an error.)

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Method;
use rollcall_proto::trace::{TraceSegmentServiceClient, UpstreamSegment};
use rollcall_tests::{
    PATIENCE, eventually,
    grpc::{Client, raw},
    process::{Collector, Listeners},
    proxy::{Link, Proxy},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_stream::StreamExt;
use tonic::{Code, transport::Endpoint};

const MIB: usize = 1024 * 1024;

/// The limit of the memory that the collector may use beyond its idle memory. The tests send it more data than that.
const GROWTH: u64 = 192 * MIB as u64;

const REGISTRATIONS: [&str; 6] = [
    "/application/register",
    "/instance/register",
    "/instance/heartbeat",
    "/servicename/discovery",
    "/networkAddress/register",
    "/segments",
];

/// Checks that the next client of every listener is served, and that the earlier input has used up no id.
async fn assert_serves(collector: &Collector) {
    let Listeners {
        naming, jetty, ui, ..
    } = collector.listeners();
    assert_eq!(
        collector.grpc().await.application("next").await.unwrap(),
        -1
    );
    let registered = collector
        .http(jetty)
        .post("/application/register", r#"["next"]"#)
        .await
        .unwrap();
    assert_eq!(
        (registered.status.as_u16(), registered.text().as_str()),
        (200, r#"[{"c":"next","i":-1}]"#)
    );
    assert_eq!(
        collector
            .http(naming)
            .get("/agent/gRPC")
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(collector.http(ui).get("/readyz").await.unwrap().status, 200);
}

fn every(listeners: Listeners) -> [SocketAddr; 5] {
    [
        listeners.naming,
        listeners.remote,
        listeners.grpc,
        listeners.jetty,
        listeners.ui,
    ]
}

/// Sends bytes and half-closes; returns when the server has closed the connection.
async fn send_and_finish(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(server).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // The server may close the connection before it has received all bytes, which is a valid answer.
        if connection.write_all(bytes).await.is_ok() && connection.shutdown().await.is_ok() {
            drop(connection.read_to_end(&mut answer).await);
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("the server should have closed the connection");
    answer
}

/// Pseudo-random bytes, the same in every run. No protocol begins with them.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn garbage_closes_the_connection() {
    let collector = Collector::start().await;
    for server in every(collector.listeners()) {
        for length in [1, 24, 4096, MIB] {
            send_and_finish(server, &noise(length)).await;
        }
    }
    assert_serves(&collector).await;
}

#[tokio::test]
async fn truncated_requests_close_the_connection() {
    let collector = Collector::start().await;
    let post =
        b"POST /application/register HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n[\"code\"";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00";
    for server in every(collector.listeners()) {
        for request in [&post[..], &http2[..]] {
            for length in [request.len() / 3, request.len() / 2, request.len()] {
                send_and_finish(server, &request[..length]).await;
            }
        }
    }
    assert_serves(&collector).await;
}

#[tokio::test]
async fn truncated_and_malformed_messages_are_refused_as_the_callers_fault() {
    let collector = Collector::start().await;
    let method = "/ApplicationRegisterService/applicationCodeRegister";
    let cases = [
        ("a frame that is cut off", raw::frame(100, b"\x0a\x04code")),
        (
            "a frame header that is cut off",
            Bytes::from_static(b"\x00\x00\x00"),
        ),
        (
            "a field that is longer than its message",
            raw::frame(3, b"\x0a\x7fx"),
        ),
        ("a varint where text belongs", raw::frame(2, b"\x08\x01")),
        (
            "a code that is not UTF-8",
            raw::frame(4, b"\x0a\x02\xff\xfe"),
        ),
        (
            "a frame that is marked as compressed and is not",
            Bytes::from_static(b"\x01\x00\x00\x00\x02\x0a\x00"),
        ),
        ("nothing at all", Bytes::new()),
        ("no code", raw::frame(0, b"")),
        ("an empty code", raw::frame(2, b"\x0a\x00")),
    ];
    for (what, body) in cases {
        // UNKNOWN, UNAVAILABLE and RESOURCE_EXHAUSTED would make an agent change its collector.
        let code = raw::call(collector.listeners().grpc, method, body).await;
        let fault = [Code::InvalidArgument, Code::Internal, Code::Unimplemented];
        assert!(
            code.as_ref().is_ok_and(|code| fault.contains(code)),
            "{what}: {code:?}"
        );
    }
    assert_serves(&collector).await;
}

#[tokio::test]
async fn a_name_of_ten_mebibytes_is_refused() {
    let collector = Collector::start().await;
    let name = "x".repeat(10 * MIB);
    let client = collector.grpc().await;
    let http = collector.http(collector.listeners().jetty);
    let at_rest = collector.resident_bytes();
    for _ in 0..4 {
        assert_eq!(
            client.application(&name).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        assert_eq!(
            client.instance(-1, &name).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        let reply = http
            .post("/application/register", format!("[{name:?}]"))
            .await
            .unwrap();
        assert_eq!(reply.status, 400);
        assert!(reply.headers.contains_key("error-message"));
        assert!(
            reply.body.len() < 4096,
            "an error does not echo {} bytes",
            reply.body.len()
        );
    }
    assert!(collector.resident_bytes() < at_rest + GROWTH);
    assert_serves(&collector).await;
}

#[tokio::test]
async fn wrong_json_is_400_and_names_the_mistake() {
    let collector = Collector::start().await;
    let client = collector.http(collector.listeners().jetty);
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"nul",
        b"null",
        b"17",
        b"\"text\"",
        b"[[[17]]]",
        b"[null]",
        b"{\"ai\":\"one\",\"ii\":[]}",
        b"[{\"ai\":1e99,\"sn\":7,\"st\":{}}]",
        b"[\"\xff\xfe\"]",
        deep.as_bytes(),
    ];
    for path in REGISTRATIONS {
        for body in bodies {
            let reply = client
                .post(path, Bytes::copy_from_slice(body))
                .await
                .unwrap();
            let what = format!(
                "{path} of {:?}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
            assert_eq!(reply.status, 400, "{what}: {}", reply.text());
            assert!(reply.headers.contains_key("error-message"), "{what}");
            assert!(reply.json::<serde_json::Value>().is_object(), "{what}");
        }
    }
    assert_serves(&collector).await;
}

#[tokio::test]
async fn the_wrong_verb_is_405() {
    let collector = Collector::start().await;
    let Listeners { naming, jetty, .. } = collector.listeners();
    for path in REGISTRATIONS {
        assert_eq!(
            collector.http(jetty).get(path).await.unwrap().status,
            405,
            "{path}"
        );
    }
    for path in [
        "/agent/gRPC",
        "/agent/jetty",
        "/ui/jetty",
        "/agentstream/grpc",
    ] {
        let reply = collector
            .http(naming)
            .send(Method::DELETE, path, Bytes::new())
            .await
            .unwrap();
        assert_eq!(reply.status, 405, "{path}");
    }
    assert_serves(&collector).await;
}

#[tokio::test]
async fn ids_that_no_agent_can_hold_are_refused_and_use_up_no_id() {
    let mut collector = Collector::start().await;
    // The smallest id is in the range of internal ids, which the collector logs.
    collector.expect_log("sign of life refused");
    let client = collector.grpc().await;
    for id in [0, -1, i32::MIN] {
        for refused in [
            client.heartbeat(id).await,
            client.jvm_metrics(id).await,
            client.recover(2, id).await,
        ] {
            assert_eq!(
                refused.unwrap_err().code(),
                Code::InvalidArgument,
                "instance {id}"
            );
        }
    }
    assert_eq!(
        client.instance(0, "uuid").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        client.recover(0, 1).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_serves(&collector).await;
}

#[tokio::test]
async fn clients_that_never_finish_a_header_are_dropped() {
    let collector = Collector::options()
        .env("SW_SERVER_HEADER_TIMEOUT", "1s")
        .start()
        .await;
    let mut slow = JoinSet::new();
    for server in every(collector.listeners()) {
        for start in [
            "",
            "G",
            "GET /agent/gRPC HTTP/1.1\r\nhost: x\r\nx-slow: ",
            "PRI * HTTP/2.0\r\n",
        ] {
            slow.spawn(async move {
                let mut connection = TcpStream::connect(server).await.unwrap();
                connection.write_all(start.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                let closed =
                    tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
                assert!(
                    closed.is_ok(),
                    "{server} keeps a client that sent {start:?} and nothing else"
                );
            });
        }
    }
    assert_serves(&collector).await;
    slow.join_all().await;
}

#[tokio::test]
async fn large_bodies_from_many_clients_stay_within_the_memory_limit() {
    let mut collector = Collector::options()
        .env("SW_SERVER_INBOUND_MEMORY", "64MiB")
        .start()
        .await;
    collector.expect_log("a peer has used up its share of a memory budget");
    let at_rest = collector.resident_bytes();
    let body = raw::frame(40 * MIB as u32, &vec![0; 40 * MIB - 1]);
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (server, body) = (collector.listeners().grpc, body.clone());
        clients.spawn(async move {
            // The body is one byte short, so it is refused at its end, or earlier for lack of memory.
            let method = "/ApplicationRegisterService/applicationCodeRegister";
            assert_ne!(raw::call(server, method, body).await, Ok(Code::Ok));
        });
    }
    let mut most = 0;
    while !clients.is_empty() {
        most = most.max(collector.resident_bytes());
        if let Ok(Some(joined)) =
            tokio::time::timeout(Duration::from_millis(20), clients.join_next()).await
        {
            joined.unwrap();
        }
    }
    assert!(
        most < at_rest + GROWTH,
        "{} MiB",
        (most - at_rest) / MIB as u64
    );
    assert_serves(&collector).await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_before_it_is_read() {
    let collector = Collector::options().without_listening().start().await;
    let method = "/TraceSegmentService/collect";
    let code = raw::call(
        collector.listeners().grpc,
        method,
        raw::frame(u32::MAX, b"x"),
    )
    .await;
    assert!(
        matches!(
            code,
            Ok(Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument)
        ),
        "{code:?}"
    );
    let client: Client = collector.grpc().await;
    client.jvm_metrics(1).await.unwrap();
    assert_serves(&collector).await;
}

/// The number of calls with this name and outcome.
async fn counted(collector: &Collector, call: &str, outcome: &str) -> u64 {
    let metrics = collector
        .http(collector.listeners().ui)
        .get("/metrics")
        .await;
    let labels = format!("call=\"{call}\",outcome=\"{outcome}\"}}");
    let text = metrics.unwrap().text();
    let line = text.lines().find(|line| line.contains(&labels));
    let count = line.and_then(|line| line.rsplit(' ').next());
    count
        .unwrap_or_else(|| panic!("{labels} in {text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_stream_whose_client_dies_counts_as_broken_off_and_not_as_invalid() {
    const CALL: &str = "TraceSegmentService/collect";
    let collector = Collector::start().await;
    let link = Proxy::to(collector.listeners().grpc).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", link.address())).unwrap();
    let mut client = TraceSegmentServiceClient::new(endpoint.connect().await.unwrap());
    let segment = UpstreamSegment {
        segment: Bytes::from_static(b"no segment"),
        ..UpstreamSegment::default()
    };
    // A stream with one message that never ends.
    let stream = tokio_stream::iter([segment]).chain(tokio_stream::pending());
    let call = tokio::spawn(async move { client.collect(stream).await });
    let taken = async || {
        let admin = collector.http(collector.listeners().ui);
        let text = admin.get("/metrics").await.unwrap().text();
        let taken = "rollcall_dropped_total{what=\"undecodable_segments\"} 1";
        text.contains(taken).then_some(()).ok_or(text)
    };
    eventually(PATIENCE, taken).await;
    link.set(Link::Refusing);
    call.await.unwrap().unwrap_err();
    let broken = async || match counted(&collector, CALL, "broken_off").await {
        0 => Err("not counted".to_owned()),
        count => Ok(count),
    };
    assert_eq!(eventually(PATIENCE, broken).await, 1);
    assert_eq!(counted(&collector, CALL, "invalid").await, 0);
}
