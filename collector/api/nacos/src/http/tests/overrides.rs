//! Overrides that operators and clients of 1.x set with an update.

use serde_json::json;

use super::*;

/// If a Go client updates an instance that has ended, the update registers it again, and the override of the earlier instance does
/// not hide its values.
#[tokio::test(start_paused = true)]
async fn an_update_that_registers_wins_over_the_override_that_an_earlier_instance_left() {
    let server = Server::start();
    let place = "serviceName=a&ip=10.0.0.1&port=80&ephemeral=true";
    let metadata = r#"metadata={"colour":"blue"}"#;
    server
        .ok(&format!("POST /v1/ns/instance?{place}&weight=1"))
        .await;
    server
        .ok(&format!(
            "PUT /v1/ns/instance?{place}&weight=7.5&{metadata}"
        ))
        .await;
    server.ok(&format!("DELETE /v1/ns/instance?{place}")).await;
    server
        .ok(&format!(
            "PUT /v1/ns/instance?{place}&weight=8.5&metadata={{}}"
        ))
        .await;
    let list = server.call("GET /v1/ns/instance/list?serviceName=a").await;
    let host = &list.json()["hosts"][0];
    assert_eq!(
        (&host["weight"], &host["metadata"]),
        (&json!(8.5), &json!({}))
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_and_removes_an_override() {
    let server = Server::start();
    let place = "serviceName=a&ip=10.0.0.1&port=80";
    server.ok(&format!("POST /v1/ns/instance?{place}")).await;
    let set = "weight=7.5&enabled=false&metadata={\"colour\":\"blue\"}";
    let update = format!("PUT /v3/admin/ns/instance?{place}&{set}");
    assert_eq!(server.call(&update).await.json()["data"], "ok");
    let list = "GET /v3/admin/ns/instance/override/list?serviceName=a";
    let shown = server.call(list).await.json();
    let one = &shown["data"][0];
    assert_eq!((&one["ip"], &one["port"]), (&json!("10.0.0.1"), &json!(80)));
    assert_eq!(one["clusterName"], "DEFAULT");
    assert_eq!(
        (&one["weight"], &one["enabled"], &one["metadata"]),
        (&json!(7.5), &json!(false), &json!({"colour": "blue"}))
    );
    assert_eq!(one["hasInstance"], true);
    let remove = format!("DELETE /v3/admin/ns/instance/override?{place}");
    assert_eq!(server.call(&remove).await.json()["data"], "ok");
    assert_eq!(server.call(list).await.json()["data"], json!([]));
    let found = server
        .call("GET /v1/ns/instance/list?serviceName=a")
        .await
        .json();
    let host = &found["hosts"][0];
    assert_eq!(
        (&host["weight"], &host["metadata"]),
        (&json!(1.0), &json!({})),
        "the registered values apply again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_override_without_an_instance_is_removed_too() {
    let server = Server::start();
    let place = "serviceName=a&ip=10.0.0.1&port=80";
    server.ok(&format!("POST /v1/ns/instance?{place}")).await;
    let update = format!("PUT /v3/admin/ns/instance?{place}&weight=7.5");
    assert_eq!(server.call(&update).await.json()["data"], "ok");
    server.ok(&format!("DELETE /v1/ns/instance?{place}")).await;
    let list = "GET /v3/admin/ns/instance/override/list?serviceName=a";
    assert_eq!(
        server.call(list).await.json()["data"][0]["hasInstance"],
        false
    );
    let remove = format!("DELETE /v3/admin/ns/instance/override?{place}");
    assert_eq!(server.call(&remove).await.json()["data"], "ok");
    assert_eq!(server.call(list).await.json()["data"], json!([]));
    let again = server.call(&remove).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.text);
}
