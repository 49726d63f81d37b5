//! The limit on the elements of one body, in every HTTP call of agents of every generation.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use rollcall_domain::inventory::Dictionary;
use rollcall_limits::{Peer, work::MAX_BATCH as KEY};
use rollcall_server::face::json;
use rollcall_service::testing::{Fixture, MAX_BATCH, RATES};
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

/// This test fails for a call that is added without a limit.
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

/// Posts a body as this peer, and returns the status and the answer.
async fn post(router: &Router, call: &str, body: String) -> (u16, Value) {
    let peer = Peer::new([10, 0, 0, 1].into());
    let request = Request::post(call).extension(peer);
    let request = request.body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn an_instance_of_6x_without_a_service_does_not_affect_the_others() {
    let fixture = Fixture::start();
    let router = router(&fixture.services, &json::Limits::default(), "/", None);
    let instance = |service: i32, uuid: &str| {
        format!(r#"{{"serviceId":{service},"instanceUUID":"{uuid}","time":0,"properties":[]}}"#)
    };
    let register = async |instances: &[String]| {
        let body = format!(r#"{{"instances":[{}]}}"#, instances.join(","));
        post(&router, "/v2/instance/register", body).await
    };
    let two = [instance(0, "none"), instance(2, "one")];
    let (status, answer) = register(&two).await;
    let expected = serde_json::json!([{"key": "none", "value": 0}, {"key": "one", "value": 1}]);
    assert_eq!((status, answer), (200, expected));
    let counted = "call=\"/v2/instance/register\",outcome=\"unassigned\"} 1\n";
    let written = fixture.services.exposition();
    assert!(written.contains(counted), "{written}");
    let (status, answer) = register(&two[..1]).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["field"], "instances[0].serviceId");
    assert_eq!(register(&[]).await.0, 200);
}

#[tokio::test]
async fn the_ids_in_segments_are_reserved_even_if_a_sender_cannot_be() {
    let fixture = Fixture::start();
    let router = router(&fixture.services, &json::Limits::default(), "/", None);
    let segment = |instance: usize| {
        format!(r#"{{"sg":{{"ai":2,"ii":{instance},"ss":[{{"oi":5,"pi":0}}]}}}}"#)
    };
    // More unknown instances than one peer may bring at once.
    let segments: Vec<_> = (1..=RATES.burst + 1).map(segment).collect();
    let body = format!("[{}]", segments.join(","));
    let (status, answer) = post(&router, "/segments", body).await;
    assert_eq!(status, 503, "{answer}");
    let operations = fixture.services.roster.entries(Dictionary::Operations);
    assert_eq!(operations.adopted, 1);
}
