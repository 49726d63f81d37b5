//! Tests a hostile web page in the browser of a user who can reach the collector: the page can neither change nor read anything.

use std::net::SocketAddr;

use rollcall_tests::process::Collector;

use crate::wire::{exchange, status};

const CODES: &str = r#"["from-a-page"]"#;

async fn post(server: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    exchange(server, request.as_bytes()).await
}

async fn get(server: SocketAddr, path: &str, host: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    status(&exchange(server, request.as_bytes()).await)
}

#[tokio::test]
async fn a_foreign_page_registers_nothing() {
    let mut collector = Collector::options().release().start().await;
    let jetty = collector.listeners().jetty;
    let port = jetty.port();
    for (host, origin) in [
        // A form or a `fetch` in mode `no-cors`, which needs no preflight.
        (
            format!("127.0.0.1:{port}"),
            "https://evil.example".to_owned(),
        ),
        (
            format!("localhost:{port}"),
            "http://localhost:3000".to_owned(),
        ),
        (format!("127.0.0.1:{port}"), "null".to_owned()),
        // DNS rebinding: to the browser, the page and the collector have the same origin.
        (
            format!("evil.example:{port}"),
            format!("http://evil.example:{port}"),
        ),
    ] {
        let headers = format!("host: {host}\r\norigin: {origin}\r\ncontent-type: text/plain\r\n");
        for path in ["/application/register", "/v3/management/reportProperties"] {
            let answer = post(jetty, path, &headers, CODES).await;
            assert_eq!(status(&answer), 403, "{headers}{answer}");
        }
    }
    assert_eq!(collector.query().applications().await.unwrap(), []);
    let admin = collector.http(collector.listeners().ui);
    let metrics = admin.get("/metrics").await.unwrap().text();
    let counted = "rollcall_requests_refused_total{reason=\"origin\"} 8";
    assert!(metrics.contains(counted), "{metrics}");

    // A page of the collector itself still works, and so does an agent that uses any host name.
    for headers in [
        format!("host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\n"),
        "host: collector.internal\r\n".to_owned(),
    ] {
        let answer = post(jetty, "/application/register", &headers, CODES).await;
        assert_eq!(status(&answer), 200, "{headers}{answer}");
    }
    assert_eq!(
        get(
            collector.listeners().naming,
            "/agent/gRPC",
            "collector.internal"
        )
        .await,
        200
    );
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_with_a_foreign_host_name_reads_nothing() {
    let options = Collector::options().release();
    let options = options.env(
        "SW_UI_JETTY_ALLOWED_HOSTS",
        "rollcall.internal, other.internal",
    );
    let mut collector = options.start().await;
    let ui = collector.listeners().ui;
    let port = ui.port();
    for path in [
        "/",
        "/api/applications",
        "/api/applications/1/instances",
        "/api/members",
        "/metrics",
    ] {
        for (host, allowed) in [
            (format!("evil.example:{port}"), false),
            ("127.0.0.1.evil.example".to_owned(), false),
            (format!("127.0.0.1:{port}"), true),
            (format!("localhost:{port}"), true),
            ("[::1]".to_owned(), true),
            ("10.1.2.3:80".to_owned(), true),
            ("Rollcall.Internal:443".to_owned(), true),
            ("other.internal".to_owned(), true),
        ] {
            let answered = get(ui, path, &host).await;
            assert_eq!(answered != 403, allowed, "{path} for {host}: {answered}");
        }
    }
    // Load balancers may use any host name for a probe.
    for probe in ["/livez", "/readyz"] {
        assert_eq!(get(ui, probe, "balancer.example").await, 200);
    }
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_grpc_method_requires_its_content_type() {
    let mut collector = Collector::options().release().start().await;
    let grpc = collector.listeners().grpc;
    // The request of 5.x for one application code, in a gRPC frame.
    let body = "\0\0\0\0\x05\x0a\x03abc";
    for path in [
        "/ApplicationRegisterService/applicationCodeRegister",
        "/skywalking.v3.ManagementService/reportInstanceProperties",
        "/grpc.health.v1.Health/Check",
    ] {
        for kind in [
            "",
            "content-type: text/plain\r\n",
            "content-type: application/json\r\n",
            "content-type: application/grpc-web\r\n",
        ] {
            let headers = format!("host: localhost\r\n{kind}te: trailers\r\n");
            let answer = post(grpc, path, &headers, body).await;
            assert_eq!(status(&answer), 415, "{path} {kind} {answer}");
        }
    }
    assert_eq!(collector.query().applications().await.unwrap(), []);
    let client = collector.grpc().await;
    assert_ne!(client.application("abc").await.unwrap(), 0);
    assert_eq!(collector.terminate().await.code(), Some(0));
}
