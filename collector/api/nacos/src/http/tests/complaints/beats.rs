//! Beats: late ones, missing ones, and those of the wrong kind.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_instance_without_beats_becomes_unhealthy_and_is_then_removed() {
    let server = Server::start();
    server.ok(REGISTER).await;
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=10.0.0.2&port=80")
        .await;
    for _ in 0..4 {
        advance(5).await;
        server
            .call("PUT /v1/ns/instance/beat?serviceName=a&ip=10.0.0.2&port=80")
            .await;
    }
    let healthy = server.call(&format!("{LIST}&healthyOnly=true")).await;
    assert_eq!(healthy.hosts(), ["10.0.0.2:80"]);
    for _ in 0..4 {
        advance(5).await;
        server
            .call("PUT /v1/ns/instance/beat?serviceName=a&ip=10.0.0.2&port=80")
            .await;
    }
    assert_eq!(server.call(LIST).await.hosts(), ["10.0.0.2:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_beat_does_not_bring_a_deregistered_instance_back() {
    let server = Server::start();
    server.ok(REGISTER).await;
    server
        .ok("DELETE /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80")
        .await;
    for beat in [LIGHT_BEAT, FULL_BEAT] {
        server.call(beat).await.is(200, BEATEN);
        assert!(server.call(LIST).await.hosts().is_empty());
    }
    advance(16).await;
    server.call(FULL_BEAT).await.is(200, BEATEN);
    assert_eq!(
        server.call(LIST).await.hosts(),
        ["10.0.0.1:80"],
        "after its term it does"
    );
}

#[tokio::test]
async fn a_beat_is_for_the_service_of_its_parameters_and_loses_nothing() {
    let server = Server::start();
    let beat = r#"PUT /v1/ns/instance/beat?serviceName=a&groupName=g&beat={"ip":"10.0.0.1","port":80,"serviceName":"DEFAULT_GROUP@@other"}"#;
    server.call(beat).await.is(200, BEATEN);
    assert!(
        server
            .call("GET /v1/ns/instance/list?serviceName=other")
            .await
            .hosts()
            .is_empty()
    );
    let list = server
        .call("GET /v1/ns/instance/list?serviceName=a&groupName=g")
        .await
        .json();
    let host = &list["hosts"][0];
    assert_eq!(
        (&host["weight"], &host["metadata"]),
        (&json!(1.0), &json!({}))
    );
}

#[tokio::test]
async fn a_beat_never_fails_the_server_and_never_changes_what_was_registered() {
    let server = Server::start();
    for beat in [
        "{not json",
        "[]",
        r#"{"ip":"","port":80}"#,
        r#"{"ip":"a b","port":80}"#,
        r#"{"ip":"1.1.1.1","port":99999}"#,
    ] {
        let refused = server
            .call(&format!(
                "PUT /v1/ns/instance/beat?serviceName=a&beat={beat}"
            ))
            .await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{beat}: {}",
            refused.text
        );
    }
    let unknown = r#"{"clientBeatInterval":5000,"code":20404}"#;
    server
        .call("PUT /v1/ns/instance/beat?serviceName=a")
        .await
        .is(200, unknown);
    server.call(LIGHT_BEAT).await.is(200, unknown);
    server
        .ok(&format!("{REGISTER}&weight=3&metadata=k=v"))
        .await;
    server.call(FULL_BEAT).await.is(200, BEATEN);
    let host = &server.call(LIST).await.json()["hosts"][0];
    assert_eq!(
        (&host["weight"], &host["metadata"]),
        (&json!(3.0), &json!({"k": "v"}))
    );
}

#[tokio::test]
async fn a_beat_for_a_persistent_instance_is_answered_and_does_nothing() {
    let server = Server::start();
    server
        .ok(&format!("{REGISTER}&ephemeral=false&healthy=false"))
        .await;
    server.call(LIGHT_BEAT).await.is(200, BEATEN);
    let truth = server
        .call("GET /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80")
        .await
        .json();
    assert_eq!(truth["healthy"], false);
}
