//! The token that agents must send.

use super::*;

#[tokio::test]
async fn registration_is_denied_without_the_token_and_the_other_faces_are_not() {
    let token = Token::new("s3cret");
    let collector = Collector::guarded(Fixture::start(), "/", token);
    for path in [
        "/application/register",
        "/v3/management/keepAlive",
        "/v3/segments",
    ] {
        let refused = collector.post(path, "[]").await;
        assert_eq!(refused.refused(403), "authentication", "{path}");
    }
    let request = Request::post("/application/register")
        .header("Authentication", "s3cret")
        .body(Body::from(r#"["orders"]"#))
        .unwrap();
    let admitted = collector.router.clone().oneshot(request).await.unwrap();
    assert_eq!(admitted.status(), 200);
    for path in ["/agent/gRPC", "/livez", "/api/applications"] {
        assert_eq!(collector.get(path).await.status, 200, "{path}");
    }
}
