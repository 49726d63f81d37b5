//! Agents of 8.0 and later (proto/docs/skywalking.md sections 6.2 and 6.3).

use super::*;

const ONE: &str = r#"{"service":"orders","serviceInstance":"one","layer":"GENERAL"}"#;

/// The first instance of agents that use no ids.
const FIRST: &str = "/api/instances/-2147483647";

/// The instance in the query API.
async fn first_instance(collector: &Collector) -> Value {
    collector.get(FIRST).await.json()
}

#[tokio::test]
async fn properties_are_shown_and_survive_a_sign_of_life() {
    let collector = Collector::start();
    let body = r#"{"service":"orders","serviceInstance":"one","properties":[
        {"key":"language","value":"python"},{"key":"OS Name","value":"Linux"},{"key":"empty"},
        {"key":"null","value":null},{"language":"Python"}]}"#;
    let reply = collector
        .post("/v3/management/reportProperties", body)
        .await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{}"));
    let reply = collector.post("/v3/management/keepAlive", ONE).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{}"));
    let reported = first_instance(&collector).await;
    assert_eq!(reported["uuid"], "one");
    assert_eq!(
        (&reported["generation"], &reported["language"]),
        (&"8.x".into(), &"python".into())
    );
    assert_eq!(reported["agent_version"], Value::Null);
    assert_eq!(reported["why"]["last_signal"], "heartbeat");
    assert_eq!(
        reported["properties"].to_string(),
        r#"{"OS Name":"Linux","language":"python"}"#
    );
}

#[tokio::test]
async fn a_sign_of_life_or_a_segment_registers_an_unknown_instance() {
    let segment =
        r#"{"traceId":"t","service":"orders","serviceInstance":"one","spans":[{"spanId":0}]}"#;
    for (path, body) in [
        ("/v3/management/keepAlive", ONE.to_owned()),
        ("/v3/segment", segment.to_owned()),
        ("/v3/segments", format!("[{segment}]")),
    ] {
        let collector = Collector::start();
        assert_eq!(collector.post(path, body).await.text(), "{}", "{path}");
        assert_eq!(first_instance(&collector).await["uuid"], "one", "{path}");
        assert_eq!(collector.counted(path, "ok").await, 1);
    }
}

#[tokio::test]
async fn telemetry_renews_its_instance_and_registers_none() {
    let event =
        r#"{"uuid":"u","source":{"service":"orders","serviceInstance":"one"},"name":"Start"}"#;
    for (path, body, signal) in [
        ("/v3/logs", format!("[{ONE},{{}}]"), "telemetry"),
        ("/v3/events", format!("[{event}]"), "telemetry"),
        ("/browser/perfData", ONE.to_owned(), "register"),
        ("/browser/errorLogs", "whatever".to_owned(), "register"),
    ] {
        let collector = Collector::start();
        assert_eq!(
            collector.post(path, body.clone()).await.text(),
            "{}",
            "{path}"
        );
        assert_eq!(collector.get(FIRST).await.status, 404, "{path}");
        collector.post("/v3/management/keepAlive", ONE).await;
        collector.post(path, body).await;
        assert_eq!(
            first_instance(&collector).await["why"]["last_signal"],
            signal,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_event_counts_only_if_an_agent_announces_its_own_start_or_stop() {
    let collector = Collector::start();
    collector.post("/v3/management/keepAlive", ONE).await;
    let event = |name: &str| {
        let source = r#"{"service":"orders","serviceInstance":"one"}"#;
        format!(r#"{{"uuid":"u","source":{source},"name":"{name}"}}"#)
    };
    for (names, state) in [
        (&["Killing"][..], "up"),
        (&["Shutdown"], "left"),
        (&["Killing", "Reboot"], "left"),
        (&["Start", "Killing"], "up"),
        (&["Start", "Shutdown"], "left"),
        (&["Shutdown", "Start"], "up"),
    ] {
        let events: Vec<_> = names.iter().map(|name| event(name)).collect();
        let body = format!("[{}]", events.join(","));
        // A signal soon after a goodbye counts as sent before it.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        let reply = collector.post("/v3/events", body).await;
        assert_eq!(reply.text(), "{}", "{names:?}");
        let shown = first_instance(&collector).await;
        assert_eq!(shown["state"], state, "{names:?}: {shown}");
    }
}

#[tokio::test]
async fn a_mistake_is_named() {
    let collector = Collector::start();
    let long = "x".repeat(256);
    for (service, instance, field) in [(&*long, "i", "service"), ("s", &*long, "serviceInstance")] {
        let body = format!(r#"{{"service":"{service}","serviceInstance":"{instance}"}}"#);
        let refused = collector.post("/v3/management/keepAlive", body).await;
        assert_eq!(refused.refused(400), field);
    }
    for (path, body, field) in [
        (
            "/v3/management/keepAlive",
            r#"{"service":"orders"}"#,
            "serviceInstance",
        ),
        (
            "/v3/management/keepAlive",
            r#"{"service":"","serviceInstance":"i"}"#,
            "service",
        ),
        (
            "/v3/management/keepAlive",
            r#"{"service":"s","serviceInstance":""}"#,
            "serviceInstance",
        ),
        (
            "/v3/management/reportProperties",
            r#"{"service":"s","serviceInstance":"i","properties":[1]}"#,
            "properties[0]",
        ),
        ("/v3/segments", "1", "body"),
        ("/v3/segments", r#"[{"service":1}]"#, "[0].service"),
    ] {
        assert_eq!(
            collector.post(path, body).await.refused(400),
            field,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn segments_of_a_web_page_register_no_instance_and_no_other_origin_is_allowed() {
    let collector = Collector::start();
    let segment =
        r#"[{"traceId":"t","service":"shop","serviceInstance":"v1.0.0","spans":[{"spanId":0}]}]"#;
    for path in ["/v3/segments", "/v3/segment"] {
        let request = Request::post(path).header("origin", "http://shop.example");
        let request = request.body(Body::from(segment)).unwrap();
        let response = collector.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    assert_eq!(collector.get("/api/instances/1").await.status, 404);
    let metrics = collector.get("/metrics").await;
    assert!(
        metrics
            .text()
            .contains(r#"rollcall_dropped_total{what="browser_reports"} 2"#)
    );
    // Like upstream's collectors, this collector allows no other origin. Unless the page and the collector share a name, the
    // browser refuses the call.
    for path in ["/browser/perfData", "/browser/errorLogs", "/v3/segments"] {
        let reply = collector.call(Method::OPTIONS, path, "").await;
        assert_eq!(reply.refused(405), "method", "{path}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
}
