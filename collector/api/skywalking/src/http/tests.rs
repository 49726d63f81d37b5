//! The limit on the elements of one body, in every HTTP call of agents of every generation.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use rollcall_limits::work::MAX_BATCH as KEY;
use rollcall_server::face::json;
use rollcall_service::testing::{Fixture, MAX_BATCH};
use serde_json::Value;
use tower::ServiceExt as _;

use super::registration::{calls, router};

/// A body that every call refuses.
fn hostile(limits: &json::Limits) -> String {
    let body = format!("[{}0]", "0,".repeat(MAX_BATCH));
    assert!(body.len() <= limits.max_body_size);
    body
}

/// Posts a body that is refused because of its size, and returns the answer.
async fn refused(router: &Router, call: &str, body: String) -> String {
    let request = Request::post(call).body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 413, "{call}");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["error"]["field"], "body", "{call}");
    answer.to_string()
}

#[tokio::test]
async fn the_duration_of_a_call_counts_for_the_generation_of_its_path() {
    let fixture = Fixture::start();
    let router = router(&fixture.services, &json::Limits::default(), "/naming", None);
    for (call, generation) in [
        ("/application/register", "3-5"),
        ("/v2/service/register", "6-7"),
        ("/v3/management/keepAlive", "8-10"),
    ] {
        let request = Request::post(format!("/naming{call}"));
        let request = request.body(Body::from("x")).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 400, "{call}");
        let written = fixture.services.exposition();
        let line =
            format!("call_seconds_count{{generation=\"{generation}\",outcome=\"invalid\"}} 1\n");
        assert!(written.contains(&line), "{call}: no {line} in {written}");
    }
}

/// A call added without a limit fails here.
#[tokio::test]
async fn every_call_refuses_a_body_with_too_many_elements_or_bytes() {
    let fixture = Fixture::start();
    let limits = json::Limits {
        max_body_size: 64 << 10,
        ..json::Limits::default()
    };
    let router = router(&fixture.services, &limits, "/", None);
    let calls = calls(&fixture.services, &limits);
    for call in ["/application/register", "/v2/segments", "/v3/segments"] {
        assert!(calls.contains(&call), "{call}");
    }
    for call in &calls {
        let answer = refused(&router, call, hostile(&limits)).await;
        assert!(answer.contains(KEY), "{call}: {answer}");
        refused(&router, call, " ".repeat((64 << 10) + 1)).await;
    }
    let written = fixture.services.exposition();
    assert!(written.contains("adopted=\"true\"} 0"), "{written}");
    let nothing = "rollcall_budget_bytes{budget=\"work\"} 0";
    assert!(written.contains(nothing), "{written}");
}
