use axum::Router;
use axum::routing::post;
use http::header::CONTENT_TYPE;
use http_body_util::Empty;

use super::*;
use crate::Serving;
use crate::tests::{everything, http2, local, serve, serve_with};

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
async fn a_body_of_grpc_web_is_not_cut_into_grpc_messages() {
    local(async {
        let echo = Router::new().route("/echo", post(|body: Bytes| async { body }));
        let server = serve_with(echo, Serving::generous()).await;
        // As a gRPC message it would be incomplete.
        let request = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/grpc-web\r\n\
                       content-length: 8\r\n\r\n\0\0\0\0\x09abc";
        let answer = everything(&mut server.send(request.as_bytes()).await).await;
        assert!(answer.ends_with("\r\n\0\0\0\0\x09abc"), "{answer:?}");
    })
    .await;
}
