//! Registration, key by key (proto/docs/skywalking.md section 2.3).

use super::*;

const OS_INFO: &str = r#"{"osName":"Linux","hostname":"h","processNo":42,"ipv4s":["10.0.0.1"]}"#;

fn instance(application: i32, uuid: &str) -> String {
    format!(r#"{{"ai":{application},"au":"{uuid}","rt":1525132800000,"oi":{OS_INFO}}}"#)
}

#[tokio::test]
async fn codes_get_ids_in_their_order_and_keep_them() {
    let collector = Collector::start();
    for _ in 0..2 {
        let reply = collector
            .post(
                "/application/register",
                r#"["orders", "stock", "orders", "ü\u00fc"]"#,
            )
            .await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            "application/json;charset=utf-8"
        );
        assert_eq!(
            reply.text(),
            r#"[{"c":"orders","i":-1},{"c":"stock","i":2},{"c":"orders","i":-1},{"c":"üü","i":-2}]"#,
        );
    }
    assert_eq!(collector.counted("/application/register", "ok").await, 2);
}

#[tokio::test]
async fn a_bad_key_does_not_affect_the_others_and_keeps_its_place() {
    let collector = Collector::start();
    let long = "x".repeat(256);
    let reply = collector
        .post(
            "/application/register",
            format!(r#"["", "orders", "{long}"]"#),
        )
        .await;
    let expected = format!(r#"[{{"c":"","i":0}},{{"c":"orders","i":-1}},{{"c":"{long}","i":0}}]"#);
    assert_eq!(reply.text(), expected);
    let refused = collector.post("/application/register", r#"[""]"#).await;
    assert_eq!(refused.refused(400), "application code");
}

#[tokio::test]
async fn a_process_gets_one_id_for_its_uuid() {
    let collector = Collector::start();
    collector
        .post("/application/register", r#"["orders"]"#)
        .await;
    for (uuid, id) in [("a", 1), ("b", 2), ("a", 1)] {
        let reply = collector
            .post("/instance/register", instance(-1, uuid))
            .await;
        assert_eq!(reply.text(), format!(r#"{{"ai":-1,"ii":{id}}}"#));
    }
}

#[tokio::test]
async fn both_spellings_of_the_os_info_are_equivalent() {
    let collector = Collector::start();
    let other = r#"{"osName":"Linux","hostName":"h","processId":42,"ipv4s":["10.0.0.1"],"x":1}"#;
    for (uuid, info) in [("a", OS_INFO), ("b", other)] {
        let body = format!(r#"{{"ai":3,"au":"{uuid}","rt":0,"oi":{info}}}"#);
        let id = collector.post("/instance/register", body).await.json()["ii"].clone();
        let reported = collector.get(&format!("/api/instances/{id}")).await.json();
        assert_eq!(
            reported["properties"].to_string(),
            r#"{"host_name":"h","ipv4":"10.0.0.1","os_name":"Linux","process_no":"42"}"#,
        );
    }
}

#[tokio::test]
async fn a_heartbeat_returns_an_empty_object_and_adopts_an_unknown_instance() {
    let collector = Collector::start();
    let beat = collector
        .post("/instance/heartbeat", r#"{"ii":7,"ht":1525132800000}"#)
        .await;
    assert_eq!((beat.status.as_u16(), beat.text()), (200, "{}"));
    let adopted = collector.get("/api/instances/7").await.json();
    assert_eq!(
        (&adopted["adopted"], &adopted["state"]),
        (&true.into(), &"up".into())
    );
}

#[tokio::test]
async fn service_names_get_ids_and_their_elements_are_echoed_byte_for_byte() {
    let collector = Collector::start();
    let reply = collector
        .post(
            "/servicename/discovery",
            r#"[{"ai":-1,"sn":"/a"}, {"st":1, "sn":"\u002fa","ai":-1,"more":[1.50]},{"ai":0,"sn":"/b"},{"ai":-1,"sn":"/c","st":9}]"#,
        )
        .await;
    assert_eq!(
        reply.text(),
        r#"[{"si":-1,"el":{"ai":-1,"sn":"/a"}},{"si":2,"el":{"st":1, "sn":"\u002fa","ai":-1,"more":[1.50]}}]"#,
    );
    assert_eq!(
        collector
            .counted("/servicename/discovery", "unassigned")
            .await,
        1
    );
}

#[tokio::test]
async fn addresses_get_ids() {
    let collector = Collector::start();
    let reply = collector
        .post("/networkAddress/register", r#"["a:1","","b:2"]"#)
        .await;
    assert_eq!(
        reply.text(),
        r#"[{"i":-1,"n":"a:1"},{"i":0,"n":""},{"i":1,"n":"b:2"}]"#
    );
}

#[tokio::test]
async fn segments_renew_their_instance_and_their_ids_are_never_assigned_to_others() {
    let collector = Collector::start();
    let segments = r#"[{"gt":[[1,2,3]],"sg":{"ts":[1,2,3],"ai":-1,"ii":5,"ss":[
        {"si":0,"tv":0,"oi":-1,"pi":-1,"rs":[]}]}}]"#;
    let reply = collector.post("/segments", segments).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
    let instance = collector.get("/api/instances/5").await.json();
    assert_eq!(instance["application_id"], -1);
    assert_eq!(instance["why"]["last_signal"], "trace_segment");
    for (path, body, answer) in [
        (
            "/application/register",
            r#"["new"]"#,
            r#"[{"c":"new","i":2}]"#,
        ),
        (
            "/networkAddress/register",
            r#"["a:1"]"#,
            r#"[{"i":1,"n":"a:1"}]"#,
        ),
        (
            "/servicename/discovery",
            r#"[{"ai":-1,"sn":"/"}]"#,
            r#"[{"si":2,"el":{"ai":-1,"sn":"/"}}]"#,
        ),
    ] {
        assert_eq!(collector.post(path, body).await.text(), answer);
    }
}

#[tokio::test]
async fn the_body_is_read_whatever_its_content_type() {
    let collector = Collector::start();
    let request = Request::post("/application/register")
        .header("content-type", "text/plain")
        .body(Body::from(r#"["orders"]"#))
        .unwrap();
    let response = collector.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// A path, a body that is refused there with 400, and the field named in the answer.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("/application/register", "", "body"),
    ("/application/register", "{}", "body"),
    ("/application/register", r#"["a","#, "body"),
    ("/application/register", r#"["a"] x"#, "body"),
    ("/application/register", r#"["a",1.5]"#, "[1]"),
    ("/application/register", r#"["a",null]"#, "[1]"),
    ("/instance/register", r#"{"au":"u","rt":0,"oi":{}}"#, "ai"),
    ("/instance/register", r#"{"ai":2,"rt":0,"oi":{}}"#, "au"),
    ("/instance/register", r#"{"ai":2,"au":"u","oi":{}}"#, "rt"),
    ("/instance/register", r#"{"ai":2,"au":"u","rt":0}"#, "oi"),
    (
        "/instance/register",
        r#"{"ai":2,"au":"u","rt":"soon","oi":{}}"#,
        "rt",
    ),
    (
        "/instance/register",
        r#"{"ai":2,"au":"u","rt":0,"oi":[]}"#,
        "oi",
    ),
    (
        "/instance/register",
        r#"{"ai":2,"au":"u","rt":0,"oi":{"osName":{}}}"#,
        "oi.osName",
    ),
    (
        "/instance/register",
        r#"{"ai":2,"au":"u","rt":0,"oi":{"ipv4s":[{}]}}"#,
        "oi.ipv4s[0]",
    ),
    (
        "/instance/register",
        r#"{"ai":0,"au":"u","rt":0,"oi":{}}"#,
        "ai",
    ),
    (
        "/instance/register",
        r#"{"ai":2,"au":"","rt":0,"oi":{}}"#,
        "au",
    ),
    ("/instance/register", r#"[2,"u",0,{}]"#, "body"),
    ("/instance/heartbeat", r#"{"ht":0}"#, "ii"),
    ("/instance/heartbeat", r#"{"ii":1}"#, "ht"),
    ("/instance/heartbeat", r#"{"ii":0,"ht":0}"#, "ii"),
    ("/instance/heartbeat", r#"{"ii":-4,"ht":0}"#, "ii"),
    ("/instance/heartbeat", r#"{"ii":99999999999,"ht":0}"#, "ii"),
    (
        "/servicename/discovery",
        r#"[{"ai":2,"sn":"/"},{"ai":2}]"#,
        "[1].sn",
    ),
    (
        "/servicename/discovery",
        r#"[{"ai":2,"sn":"/","st":"Exit"}]"#,
        "[0].st",
    ),
    (
        "/servicename/discovery",
        r#"[{"ai":2,"sn":"/","st":3}]"#,
        "[0].st",
    ),
    ("/servicename/discovery", r#"[{"ai":0,"sn":"/"}]"#, "[0].ai"),
    ("/servicename/discovery", r#"[7]"#, "[0]"),
    ("/networkAddress/register", r#"[{}]"#, "[0]"),
    ("/segments", r#"{}"#, "body"),
    ("/segments", r#"[{"gt":[]}]"#, "[0].sg"),
    (
        "/segments",
        r#"[{"sg":{"ai":1,"ii":1,"ss":[{"oi":"x"}]}}]"#,
        "[0].sg.ss[0].oi",
    ),
    ("/segments", r#"[{"sg":{"ai":1,"ss":[]}}]"#, "[0].sg.ii"),
];

#[tokio::test]
async fn every_mistake_names_its_field() {
    let collector = Collector::start();
    for &(path, body, field) in MISTAKES {
        assert_eq!(
            collector.post(path, body).await.refused(400),
            field,
            "{path} {body}"
        );
    }
    assert_eq!(
        collector.counted("/application/register", "invalid").await,
        6
    );
    assert!(
        collector.get("/api/applications").await.json()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let collector = Collector::start();
    let body = format!(r#"["{}"]"#, "x".repeat(64 << 10));
    let reply = collector.post("/application/register", body.clone()).await;
    assert_eq!(reply.refused(413), "body");
    let streamed = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]));
    let reply = collector.post("/application/register", streamed).await;
    assert_eq!(reply.refused(413), "body");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_refused() {
    let collector = Collector::start();
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let reply = collector.post("/application/register", never).await;
    assert_eq!(reply.refused(408), "body");
}

#[tokio::test]
async fn without_an_id_in_time_the_id_is_0_and_an_overloaded_collector_refuses() {
    let collector = Collector::on(Fixture::stalled(1));
    let reply = collector
        .post("/application/register", r#"["orders"]"#)
        .await;
    assert_eq!(reply.text(), r#"[{"c":"orders","i":0}]"#);
    assert_eq!(
        collector
            .counted("/application/register", "unassigned")
            .await,
        1
    );
    for (path, body) in [
        ("/application/register", r#"["stock"]"#.to_owned()),
        ("/instance/register", instance(2, "u")),
        ("/instance/heartbeat", r#"{"ii":1,"ht":0}"#.to_owned()),
        ("/networkAddress/register", r#"["a:1"]"#.to_owned()),
    ] {
        let reply = collector.post(path, body).await;
        assert_eq!(reply.refused(503), Value::Null, "{path}");
        assert_eq!(reply.header("retry-after"), "3");
        assert_eq!(collector.counted(path, "overloaded").await, 1, "{path}");
    }
}

#[tokio::test]
async fn a_process_without_an_id_in_time_has_id_0() {
    let collector = Collector::on(Fixture::stalled(1));
    let reply = collector.post("/instance/register", instance(2, "u")).await;
    assert_eq!(reply.text(), r#"{"ai":2,"ii":0}"#);
}

#[tokio::test]
async fn a_stopping_collector_returns_known_ids_and_refuses_the_rest() {
    let mut fixture = Fixture::start();
    fixture
        .services
        .register
        .application("orders")
        .await
        .unwrap();
    fixture.stop();
    let collector = Collector::on(fixture);
    let known = collector
        .post("/application/register", r#"["orders"]"#)
        .await;
    assert_eq!(known.text(), r#"[{"c":"orders","i":-1}]"#);
    let new = collector
        .post("/application/register", r#"["stock"]"#)
        .await;
    assert_eq!(new.refused(503), Value::Null);
    assert!(!new.headers.contains_key("retry-after"));
    assert_eq!(
        collector.counted("/application/register", "failed").await,
        1
    );
}
