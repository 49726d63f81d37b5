//! The complaints of the reference's users (proto/docs/nacos-http.md, section 14), each as a promise.

use std::time::Duration;

use rollcall_catalog::store::{Change, Row, Store as _, Table};
use serde_json::json;

use super::*;

mod beats;

const REGISTER: &str = "POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80";
const LIST: &str = "GET /v1/ns/instance/list?serviceName=a";
const LIGHT_BEAT: &str = "PUT /v1/ns/instance/beat?serviceName=a&ip=10.0.0.1&port=80";
const FULL_BEAT: &str = r#"PUT /v1/ns/instance/beat?serviceName=a&beat={"ip":"10.0.0.1","port":80,"weight":1.0,"metadata":{}}"#;
const BEATEN: &str = r#"{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}"#;

/// Lets time pass, with the catalog's loops at work.
async fn advance(seconds: u64) {
    for _ in 0..seconds * 2 {
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_list_is_returned_before_the_instances_of_an_earlier_run_can_have_returned() {
    let store = Memory::default();
    let row = Row {
        table: Table::Namespace,
        key: "n".to_owned(),
        value: br#"{"id":"n","name":"n","description":""}"#.to_vec(),
    };
    store.commit(&[Change::Put(row)]).unwrap();
    let server = Server::on(store, Config::default(), Auth::off());
    for call in [
        LIST,
        "GET /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80",
        "GET /v1/ns/service/list?pageNo=1&pageSize=10",
        "GET /v2/ns/instance/list?serviceName=a",
        "GET /v3/client/ns/instance/list?serviceName=a",
        "GET /v1/console/health/readiness",
    ] {
        let refused = server.call(call).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{call}");
        assert!(
            refused
                .text
                .starts_with("server is STARTINGnow, detailed error message: Optional[")
        );
    }
    let metrics = server.call("GET /v1/ns/operator/metrics").await.json();
    assert_eq!(metrics["status"], "STARTING");
    server.ok(REGISTER).await;
    server.call(LIGHT_BEAT).await.is(200, BEATEN);
    advance(14).await;
    server.call(LIGHT_BEAT).await.is(200, BEATEN);
    advance(2).await;
    assert_eq!(server.call(LIST).await.hosts(), ["10.0.0.1:80"]);
    server
        .call("GET /v1/console/health/readiness")
        .await
        .is(200, "OK");
}

#[tokio::test]
async fn a_failing_store_stops_persistent_writes_and_nothing_else() {
    let store = Memory::default();
    let server = Server::on(store.clone(), Config::default(), Auth::off());
    store.fail(Some("disk full"));
    let refused = server.call(&format!("{REGISTER}&ephemeral=false")).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refused.text.contains("disk full"), "{}", refused.text);
    server.ok(REGISTER).await;
    server.call(LIGHT_BEAT).await.is(200, BEATEN);
    assert_eq!(server.call(LIST).await.hosts(), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_registration_undoes_a_deregistration_at_once() {
    let server = Server::start();
    server.ok(REGISTER).await;
    server
        .ok("DELETE /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80")
        .await;
    server.ok(REGISTER).await;
    assert_eq!(server.call(LIST).await.hosts(), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn an_instance_that_an_operator_took_offline_stays_offline_when_it_registers_again() {
    let server = Server::start();
    server.ok(REGISTER).await;
    server
        .form(
            "PUT /v1/ns/instance",
            "serviceName=a&ip=10.0.0.1&port=80&enabled=false&weight=7",
        )
        .await
        .is_ok();
    assert!(server.call(LIST).await.hosts().is_empty());
    server.ok(&format!("{REGISTER}&weight=2")).await;
    server.call(FULL_BEAT).await;
    let shown = server
        .call("GET /v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageNo=1&pageSize=9")
        .await
        .json();
    let overridden = &shown["list"][0]["overridden"];
    assert_eq!(
        (&overridden["enabled"], &overridden["weight"]),
        (&json!(false), &json!(7.0))
    );
    assert!(server.call(LIST).await.hosts().is_empty());
    server
        .form(
            "PUT /v1/ns/instance",
            "serviceName=a&ip=10.0.0.1&port=80&enabled=true",
        )
        .await
        .is_ok();
    let list = server.call(LIST).await.json();
    assert_eq!(
        list["hosts"][0]["weight"], 7.0,
        "the weight that the operator set"
    );
}

#[tokio::test]
async fn an_override_equal_to_the_registration_leaves_no_row() {
    let server = Server::start();
    server.ok(REGISTER).await;
    for enabled in [false, true] {
        let form =
            format!("serviceName=a&ip=10.0.0.1&port=80&weight=1&enabled={enabled}&metadata=%7B%7D");
        server.form("PUT /v1/ns/instance", &form).await.is_ok();
    }
    server
        .ok(&format!("{REGISTER}&weight=5&enable=false"))
        .await;
    assert!(
        server.call(LIST).await.hosts().is_empty(),
        "the client decides again"
    );
}

#[tokio::test]
async fn all_unhealthy_instances_are_returned_only_where_the_service_does_not_turn_that_off() {
    let server = Server::start();
    server.ok(&format!("{REGISTER}&healthy=false")).await;
    let list = server.call(LIST).await.json();
    assert_eq!(
        list["hosts"][0]["healthy"], true,
        "as 1.x consumers are used to"
    );
    assert_eq!(
        list["reachProtectionThreshold"], true,
        "and the answer reports it"
    );
    let truth = server
        .call("GET /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80")
        .await
        .json();
    assert_eq!(truth["healthy"], false);
    server
        .ok("PUT /v1/ns/service?serviceName=a&protectThreshold=-1")
        .await;
    let list = server.call(LIST).await.json();
    assert_eq!(list["hosts"][0]["healthy"], false);
    assert!(list.get("reachProtectionThreshold").is_none());
    assert!(
        server
            .call(&format!("{LIST}&healthyOnly=true"))
            .await
            .hosts()
            .is_empty()
    );
}

/// PHP's client creates the service first, and then registers an ephemeral instance.
#[tokio::test]
async fn creating_a_service_does_not_fix_the_kind_of_its_instances() {
    let server = Server::start();
    server.ok("POST /v1/ns/service?serviceName=a").await;
    server.ok(REGISTER).await;
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=10.0.0.2&port=80&ephemeral=false")
        .await;
    assert_eq!(
        server.call(LIST).await.hosts(),
        ["10.0.0.1:80", "10.0.0.2:80"]
    );
    let form = "serviceName=a&ip=10.0.0.3&port=80&ephemeral=false";
    server
        .form("POST /v2/ns/instance", form)
        .await
        .is(200, r#"{"code":0,"message":"success","data":"ok"}"#);
}

#[tokio::test]
async fn a_deregistration_of_the_wrong_kind_means_the_instance_that_is_there() {
    let server = Server::start();
    server.ok(&format!("{REGISTER}&ephemeral=false")).await;
    server
        .ok("DELETE /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80")
        .await;
    assert!(server.call(LIST).await.hosts().is_empty());
}

#[tokio::test]
async fn a_service_with_instances_is_not_deleted() {
    let server = Server::start();
    server.ok(REGISTER).await;
    let text = "caused: Service DEFAULT_GROUP@@a is not empty, can't be delete. Please unregister instance first;";
    server
        .call("DELETE /v1/ns/service?serviceName=a")
        .await
        .is(400, text);
    assert_eq!(server.call(LIST).await.hosts(), ["10.0.0.1:80"]);
}

/// PHP's client checks for this text, and for 404.
#[tokio::test]
async fn an_instance_that_is_not_there_is_not_an_error_of_the_server() {
    let server = Server::start();
    server.ok(REGISTER).await;
    for (call, text) in [
        ("ip=10.0.0.9&port=80", "caused: no matched ip found!;"),
        (
            "ip=10.0.0.1&port=80&clusterName=zz",
            "caused: no ips found for cluster zz in service DEFAULT_GROUP@@a;",
        ),
    ] {
        server
            .call(&format!("GET /v1/ns/instance?serviceName=a&{call}"))
            .await
            .is(404, text);
    }
}

#[tokio::test]
async fn names_of_dubbo_and_of_other_languages_are_names() {
    let server = Server::start();
    for name in [
        "providers:com.example.Api:1.0*:",
        "%E6%9C%8D%E5%8A%A1",
        "a/b",
        "a$b",
    ] {
        server
            .ok(&format!(
                "POST /v1/ns/instance?serviceName={name}&ip=10.0.0.1&port=80&clusterName=c_1"
            ))
            .await;
        let list = server
            .call(&format!("GET /v1/ns/instance/list?serviceName={name}"))
            .await;
        assert_eq!(list.hosts(), ["10.0.0.1:80"], "{name}");
    }
}
