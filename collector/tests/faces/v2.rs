//! HTTP registration of 6.x and 7.0, with the bodies of skywalking-nginx-lua 0.1.0.

use super::*;

const SERVICES: &str = include_str!("../../../tests/cases/10-v2-service-register.json");

const INSTANCES: &str = r#"{"instances":[{"time":1584704400123,"serviceId":-1,"instanceUUID":"name:gateway-1","properties":[
    {"key":"language","value":"Lua"}]}]}"#;

/// Registers the service `gateway` and its instance.
async fn registered() -> Collector {
    let collector = Collector::start();
    let services = collector.post("/v2/service/register", SERVICES).await;
    assert_eq!(services.text(), r#"[{"key":"gateway","value":-1}]"#);
    let instances = collector.post("/v2/instance/register", INSTANCES).await;
    assert_eq!(instances.text(), r#"[{"key":"name:gateway-1","value":1}]"#);
    collector
}

#[tokio::test]
async fn a_service_and_its_instance_get_ids_and_keep_them() {
    let collector = registered().await;
    let again = collector.post("/v2/instance/register", INSTANCES).await;
    assert_eq!(again.text(), r#"[{"key":"name:gateway-1","value":1}]"#);
    let shown = collector.get("/api/instances/1").await.json();
    assert_eq!(shown["application_id"], -1);
    assert_eq!(
        (&shown["uuid"], &shown["name"]),
        (&"name:gateway-1".into(), &"gateway-1".into())
    );
    assert_eq!(
        (&shown["generation"], &shown["language"]),
        (&"6.x".into(), &"Lua".into())
    );
    assert_eq!(collector.counted("/v2/instance/register", "ok").await, 2);
}

#[tokio::test]
async fn an_empty_list_may_be_an_object_as_lua_writes_it() {
    let collector = registered().await;
    let body = r#"{"instances":[{"serviceId":"-1","instanceUUID":"b","properties":{}},{"serviceId":-1,"instanceUUID":"c"}]}"#;
    let reply = collector.post("/v2/instance/register", body).await;
    assert_eq!(
        reply.text(),
        r#"[{"key":"b","value":2},{"key":"c","value":3}]"#
    );
}

#[tokio::test]
async fn a_heartbeat_and_a_segment_are_signs_of_life() {
    let collector = registered().await;
    let beat = r#"{"serviceInstanceId":1,"time":1.584704400123e12,"serviceInstanceUUID":"name:gateway-1"}"#;
    let reply = collector.post("/v2/instance/heartbeat", beat).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{}"));
    let shown = collector.get("/api/instances/1").await.json();
    assert_eq!(shown["why"]["last_signal"], "heartbeat");
    let segment = r#"{"globalTraceIds":[{"idParts":[1,2,3]}],"traceSegmentId":{"idParts":[1,2,3]},"isSizeLimited":0,
        "serviceId":-1,"serviceInstanceId":1,"spans":[{"spanId":0,"operationName":"/","spanType":"Entry"}]}"#;
    let reply = collector.post("/v2/segments", segment).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
    let shown = collector.get("/api/instances/1").await.json();
    assert_eq!(shown["why"]["last_signal"], "trace_segment");
    assert!(
        collector
            .get("/metrics")
            .await
            .text()
            .contains(r#"rollcall_dropped_total{what="segments"} 1"#)
    );
}

#[tokio::test]
async fn a_heartbeat_with_the_id_of_another_process_leaves_that_one_unchanged() {
    let collector = registered().await;
    let beat = r#"{"serviceInstanceId":1,"serviceInstanceUUID":"name:gateway-2"}"#;
    let reply = collector.post("/v2/instance/heartbeat", beat).await;
    assert_eq!(
        reply.text(),
        r#"{"commands":[{"command":"ServiceMetadataReset"}]}"#
    );
    let shown = collector.get("/api/instances/1").await.json();
    assert_eq!(shown["why"]["last_signal"], "register");
}

#[tokio::test]
async fn a_heartbeat_with_an_unknown_id_reserves_the_id_for_its_sender() {
    let collector = registered().await;
    let beat = r#"{"serviceInstanceId":7,"serviceInstanceUUID":"name:gateway-7"}"#;
    collector.post("/v2/instance/heartbeat", beat).await;
    let shown = collector.get("/api/instances/7").await.json();
    assert_eq!(
        (&shown["adopted"], &shown["state"]),
        (&true.into(), &"up".into())
    );
}

#[tokio::test]
async fn a_mistake_is_named() {
    let collector = Collector::start();
    for (path, body, field) in [
        ("/v2/service/register", "[]", "body"),
        (
            "/v2/service/register",
            r#"{"services":[{}]}"#,
            "services[0].serviceName",
        ),
        (
            "/v2/service/register",
            r#"{"services":[{"serviceName":""}]}"#,
            "services",
        ),
        (
            "/v2/instance/register",
            r#"{"instances":[{"serviceId":0,"instanceUUID":"a"}]}"#,
            "instances[0].serviceId",
        ),
        (
            "/v2/instance/register",
            r#"{"instances":[{"serviceId":1}]}"#,
            "instances[0].instanceUUID",
        ),
        (
            "/v2/instance/heartbeat",
            r#"{"serviceInstanceId":0}"#,
            "serviceInstanceId",
        ),
        ("/v2/segments", "{}", "serviceId"),
    ] {
        let refused = collector.post(path, body).await.refused(400);
        assert_eq!(refused, field, "{path} {body}");
    }
}
