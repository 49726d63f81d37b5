//! Tests that the metrics name the calls of Nacos clients and the services with their instances, and that clients cannot add
//! unbounded series.

use ::http::Method;
use rollcall_tests::{
    http,
    nacos::{self, Connection},
    process::Collector,
};

#[tokio::test]
async fn calls_and_services_of_nacos_clients_have_bounded_series() {
    let options = Collector::options().env("SW_UI_JETTY_MAX_SERVICE_METRICS", "1");
    let (collector, faces) = nacos::collector(options).await;
    let client = http::Client::new(faces.http);
    let send = async |method: Method, path: &str| {
        let path = format!("/nacos{path}");
        let reply = client.send(method, &path, Default::default()).await;
        reply.unwrap().status.as_u16()
    };
    for service in ["orders", "payments"] {
        let path = format!("/v1/ns/instance?serviceName={service}&ip=10.0.0.1&port=80");
        assert_eq!(send(Method::POST, &path).await, 200);
    }
    let path = "/v1/ns/instance/list?serviceName=orders";
    assert_eq!(send(Method::GET, path).await, 200);
    assert_eq!(send(Method::GET, "/v1/ns/instance/list").await, 400);
    for number in 0..50 {
        let path = format!("/v1/ns/no-such-call-{number}");
        assert_eq!(send(Method::GET, &path).await, 501);
    }
    let mut connection = Connection::open(faces.grpc).await;
    connection.set_up(None).await;
    for kind in ["ServerCheckRequest", "MadeUpRequest"] {
        connection.call(kind, "{}").await.unwrap();
    }

    let admin = collector.http(collector.listeners().ui);
    let metrics = admin.get("/metrics").await.unwrap().text();
    let labels = r#"namespace="public",group="DEFAULT_GROUP""#;
    for line in [
        r#"rollcall_nacos_call_seconds_count{protocol="http",call="POST /v1/ns/instance",outcome="ok"} 2"#.to_owned(),
        r#"rollcall_nacos_call_seconds_count{protocol="http",call="GET /v1/ns/instance/list",outcome="ok"} 1"#.to_owned(),
        r#"rollcall_nacos_call_seconds_count{protocol="http",call="GET /v1/ns/instance/list",outcome="invalid"} 1"#.to_owned(),
        r#"rollcall_nacos_call_seconds_count{protocol="grpc",call="server_check",outcome="ok"} 1"#.to_owned(),
        r#"rollcall_nacos_call_seconds_count{protocol="grpc",call="other",outcome="invalid"} 1"#.to_owned(),
        format!(r#"rollcall_service_instances{{{labels},service="orders",state="healthy"}} 1"#),
        r#"rollcall_service_instances{overflow="true",state="healthy"} 1"#.to_owned(),
    ] {
        assert!(metrics.lines().any(|of| of == line), "{line} is not in\n{metrics}");
    }
    for absent in ["no-such-call", "MadeUp", "payments"] {
        assert!(!metrics.contains(absent), "{absent} is in\n{metrics}");
    }
}
