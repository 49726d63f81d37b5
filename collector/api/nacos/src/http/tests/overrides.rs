//! Overrides that operators and clients of 1.x set with an update.

use serde_json::json;

use super::*;

/// A Go client's update after its instance has gone: the override of the earlier one does not hide it.
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
