use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    routing::post,
};

use super::*;

#[test]
fn grpc_is_recognized_by_its_content_type() {
    for (kind, expected) in [
        (None, false),
        (Some("application/grpc"), true),
        (Some("application/grpc+proto"), true),
        (Some("application/grpc;charset=utf-8"), true),
        (Some("application/grpc-web"), false),
        (Some("application/json"), false),
        (Some("text/plain"), false),
    ] {
        let headers = kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)));
        assert_eq!(
            is_grpc(&HeaderMap::from_iter(headers)),
            expected,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn each_protocol_reaches_only_its_own_routes() {
    let grpc = Router::new().route("/some.Service/call", post(|| async { "grpc" }));
    let http = Router::new().route("/register", post(|| async { "http" }));
    let dispatch = Dispatch::new(grpc, http);
    let ok = StatusCode::OK;
    for (kind, path, status) in [
        ("application/grpc", "/some.Service/call", ok),
        ("application/json", "/register", ok),
        (
            "application/json",
            "/some.Service/call",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "text/plain",
            "/Unknown/call",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("application/json", "/elsewhere", StatusCode::NOT_FOUND),
        ("application/grpc", "/register", ok), // UNIMPLEMENTED, which gRPC answers with 200
    ] {
        let request = Request::post(path)
            .header(CONTENT_TYPE, kind)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = dispatch.call(request).await.unwrap();
        assert_eq!(response.status(), status, "{kind} {path}");
        let unimplemented = response
            .headers()
            .get("grpc-status")
            .map(HeaderValue::as_bytes);
        let is_unimplemented = unimplemented == Some(b"12");
        assert_eq!(
            is_unimplemented,
            kind == "application/grpc" && path == "/register"
        );
    }
}
