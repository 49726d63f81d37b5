use axum::Router;
use axum::routing::post;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Empty};

use super::*;
use crate::tests::{
    everything, http2, local, request, serve, serve_with, wait_until, with_connection_budget,
};
use crate::traffic::CONNECTION_COST;
use crate::{Limits, Serving};

/// The settings of a server that accepts heads of 64 KiB.
fn with_large_heads() -> Serving {
    Serving {
        limits: Limits {
            max_header_size: 64 << 10,
            ..Limits::generous()
        },
        ..Serving::generous()
    }
}

#[tokio::test]
async fn a_request_with_too_many_fields_is_refused_over_http2() {
    local(async {
        let server = serve(Serving::generous()).await;
        let mut sender = http2(server.address).await;
        for (fields, kind, expected) in [
            (MOST_FIELDS, "text/plain", (405, None)),
            (MOST_FIELDS + 1, "text/plain", (431, None)),
            (MOST_FIELDS + 1, "application/grpc", (200, Some("8"))),
        ] {
            let mut request = Request::post(format!("http://{}/", server.address));
            for _ in 2..fields {
                request = request.header("x", "y");
            }
            // The client adds a content length.
            let request = request.header(CONTENT_TYPE, kind).body(Empty::new());
            let answer = sender.send_request(request.unwrap()).await.unwrap();
            let status = answer.headers().get("grpc-status");
            let status = status.map(|status| status.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), status), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_without_memory_is_refused_with_a_text() {
    local(async {
        let server = serve(with_connection_budget(2 * CONNECTION_COST)).await;
        let mut sender = http2(server.address).await;
        let mut slow = Vec::new();
        for _ in 0..2 {
            let answer = sender.send_request(request(server.address, "/slow"));
            slow.push(tokio::task::spawn_local(answer));
            server.wait_for_slow().await;
        }
        let text = "the share of 127.0.0.1 in the memory budget `connections` is exhausted";
        let key = "three quarters of server.default.connection_memory";
        let answer = sender.send_request(request(server.address, "/")).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 503);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(text) && message.contains(key), "{message}");
        let call = Request::post(format!("http://{}/", server.address))
            .header(CONTENT_TYPE, "application/grpc")
            .body(Empty::new());
        let answer = sender.send_request(call.unwrap()).await.unwrap();
        let field = |name| answer.headers()[name].to_str().unwrap();
        assert_eq!((answer.status().as_u16(), field("grpc-status")), (200, "8"));
        assert!(field("grpc-message").contains(text));
        server.permits.add_permits(2);
        for answer in slow {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_grpc_web_is_not_cut_into_grpc_messages() {
    local(async {
        let echo = Router::new().route("/echo", post(|body: Bytes| async { body }));
        let server = serve_with(echo, Serving::generous()).await;
        // The body would be incomplete as a gRPC message.
        let request = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/grpc-web\r\n\
                       content-length: 8\r\n\r\n\0\0\0\0\x09abc";
        let answer = everything(&mut server.send(request.as_bytes()).await).await;
        assert!(answer.ends_with("\r\n\0\0\0\0\x09abc"), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_large_head_is_charged_until_its_request_is_answered() {
    local(async {
        let serving = with_large_heads();
        let connections = serving.budgets.connections.clone();
        let server = serve(serving).await;
        let value = "v".repeat(500);
        let usual = http2(server.address)
            .await
            .send_request(request(server.address, "/slow"));
        let usual = tokio::task::spawn_local(usual);
        server.wait_for_slow().await;
        assert_eq!(
            connections.held(),
            CONNECTION_COST,
            "the usual head is free"
        );
        let mut large = request(server.address, "/slow");
        for number in 0..MOST_FIELDS - 2 {
            let name: http::HeaderName = format!("x-{number}").parse().unwrap();
            large.headers_mut().insert(name, value.parse().unwrap());
        }
        let large = http2(server.address).await.send_request(large);
        let large = tokio::task::spawn_local(large);
        server.wait_for_slow().await;
        let held = connections.held();
        assert!(held >= 2 * CONNECTION_COST + 98 * 500, "{held}");
        server.permits.add_permits(2);
        for answer in [usual, large] {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap();
        }
        wait_until(|| connections.held() == 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_large_head_over_http1_is_charged_while_it_arrives_and_while_its_buffer_exists() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    local(async {
        let serving = with_large_heads();
        let connections = serving.budgets.connections.clone();
        let server = serve(serving).await;
        let part = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(40_000));
        let mut stream = server.send(part.as_bytes()).await;
        wait_until(|| connections.held() >= CONNECTION_COST + 40_000).await;
        stream.write_all(b"\r\n\r\n").await.unwrap();
        let mut answer = [0; 1000];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        assert!(connections.held() >= CONNECTION_COST + 40_000);
        drop(stream);
        wait_until(|| connections.held() == 0).await;
    })
    .await;
}
