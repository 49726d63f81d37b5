//! Tests that requests whose boundaries two readers could interpret differently (RFC 9112) are refused, and that their connections
//! are closed.

use rollcall_tests::process::Collector;

use crate::wire::{answers, exchange, status};

/// The bytes after an ambiguous request. The collector must not answer them as a separate request.
const SMUGGLED: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-smuggled: 1\r\n\r\n";

/// The rest of a POST request (version, headers and body), and the status of its answer.
const AMBIGUOUS: &[(&str, u16)] = &[
    // Host (section 3.2).
    ("HTTP/1.1\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: user@a\r\n\r\n", 400),
    // Fields (section 5).
    ("HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nx: y\r\n folded\r\n\r\n", 400),
    ("HTTP/1.1\r\n host: a\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\nx: y\rz: w\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\n: empty\r\n\r\n", 400),
    // Length (section 6).
    (
        "HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n[]x",
        400,
    ),
    ("HTTP/1.1\r\nhost: a\r\ncontent-length: 2, 2\r\n\r\n[]", 400),
    ("HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\n[]", 400),
    ("HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
    ("HTTP/1.1\r\nhost: a\r\ncontent-length: 0x2\r\n\r\n[]", 400),
    (
        "HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    // Chunks (section 7.1).
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n[]\r\n0\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n[]\r\n0\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]x\r\n0\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\n[]\n0\n\n",
        400,
    ),
    (
        "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n[]\r\n0\r\n\r\n",
        400,
    ),
    // Version and target (section 3).
    ("HTTP/1.2\r\nhost: a\r\n\r\n", 400),
    ("HTTP/3.0\r\nhost: a\r\n\r\n", 400),
    ("x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
];

#[tokio::test]
async fn an_ambiguous_request_is_refused_and_ends_its_connection() {
    let mut collector = Collector::options().release().start().await;
    let jetty = collector.listeners().jetty;
    for (rest, expected) in AMBIGUOUS {
        let request = format!("POST /application/register {rest}{SMUGGLED}");
        let answer = exchange(jetty, request.as_bytes()).await;
        assert_eq!(status(&answer), *expected, "{request:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{request:?}: {answer}");
    }
    assert_eq!(collector.query().applications().await.unwrap(), []);
    // The naming face parses requests in its own code, so it is tested separately.
    let naming = collector.listeners().naming;
    for headers in ["", "host: a\r\nhost: a\r\n"] {
        let request = format!("GET /agent/gRPC HTTP/1.1\r\n{headers}\r\n{SMUGGLED}");
        let answer = exchange(naming, request.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{request:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{request:?}: {answer}");
    }
    let old = exchange(naming, b"GET /agent/gRPC HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&old), 200, "{old}");
    assert_eq!(collector.terminate().await.code(), Some(0));
}

/// A transfer coding overrides a content length, and the collector reads nothing after such a request (RFC 9112 section 6.1).
#[tokio::test]
async fn a_content_length_beside_a_transfer_coding_ends_the_connection() {
    let mut collector = Collector::options().release().start().await;
    let jetty = collector.listeners().jetty;
    for fields in [
        "content-length: 64\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 64\r\n",
    ] {
        let request = format!(
            "POST /application/register HTTP/1.1\r\nhost: a\r\n{fields}\r\n5\r\n[\"a\"]\r\n0\r\n\r\n{SMUGGLED}"
        );
        let answer = exchange(jetty, request.as_bytes()).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(answers(&answer), 1, "{answer}");
    }
    assert_eq!(collector.terminate().await.code(), Some(0));
}
