//! Bodies that deviate from the documented form and that upstream's servers accept.

use super::*;

/// A file of `tests/cases`.
macro_rules! case {
    ($name:literal) => {
        include_str!(concat!("../../../tests/cases/", $name))
    };
}

#[tokio::test]
async fn an_instance_registers_with_numbers_in_quotes() {
    let collector = Collector::start();
    collector.post("/application/register", r#"["shop"]"#).await;
    let reply = collector
        .post("/instance/register", case!("04-php-instance-register.json"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, r#"{"ai":-1,"ii":1}"#)
    );
    let quoted = r#"{"ai":"-1","au":42,"rt":"20180606120000","oi":{"osName":7,"processNo":"4711","ipv4s":[["10.0.0.1"]]}}"#;
    let reply = collector.post("/instance/register", quoted).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, r#"{"ai":-1,"ii":2}"#)
    );
    let shown = collector.get("/api/instances/2").await.json();
    assert_eq!(shown["uuid"], "42");
    assert_eq!(shown["properties"]["process_no"], "4711");
    assert_eq!(shown["properties"]["ipv4"], "10.0.0.1");
    assert_eq!(shown["properties"]["os_name"], "7");
}

#[tokio::test]
async fn texts_may_be_numbers_and_wrapped_in_an_array() {
    for (path, body, answer) in [
        ("/application/register", "[1]", r#"[{"c":"1","i":-1}]"#),
        (
            "/application/register",
            r#"[["a"]]"#,
            r#"[{"c":"a","i":-1}]"#,
        ),
        (
            "/application/register",
            r#"[["a"],"b",[3]]"#,
            r#"[{"c":"a","i":-1},{"c":"b","i":2},{"c":"3","i":-2}]"#,
        ),
        (
            "/networkAddress/register",
            r#"[["a:1"],80]"#,
            r#"[{"i":-1,"n":"a:1"},{"i":1,"n":"80"}]"#,
        ),
        (
            "/servicename/discovery",
            r#"[{"ai":"1","sn":404,"st":"1"}]"#,
            r#"[{"si":-1,"el":{"ai":"1","sn":404,"st":"1"}}]"#,
        ),
    ] {
        let collector = Collector::start();
        let reply = collector.post(path, body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, answer),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn signs_of_life_may_have_their_ids_in_quotes() {
    let collector = Collector::start();
    collector.post("/application/register", r#"["shop"]"#).await;
    collector
        .post("/instance/register", case!("04-php-instance-register.json"))
        .await;
    for (path, body, signal) in [
        (
            "/instance/heartbeat",
            r#"{"ii":"1","ht":"20180606120000"}"#,
            "heartbeat",
        ),
        (
            "/segments",
            r#"[{"gt":[],"sg":{"ai":"-1","ii":"1","ss":[{"oi":"0","pi":"0"}]}}]"#,
            "trace_segment",
        ),
    ] {
        assert_eq!(collector.post(path, body).await.status, 200, "{path}");
        let shown = collector.get("/api/instances/1").await.json();
        assert_eq!(shown["why"]["last_signal"], signal, "{path}");
    }
}

#[tokio::test]
async fn all_other_forms_are_refused() {
    let collector = Collector::start();
    for (path, body, field) in [
        ("/application/register", r#"[[["a"]]]"#, "[0][0]"),
        ("/application/register", r#"[["a","b"]]"#, "[0]"),
        ("/application/register", "[[]]", "[0]"),
        ("/application/register", "[1.5]", "[0]"),
        ("/instance/heartbeat", r#"{"ii":"one","ht":0}"#, "ii"),
        ("/instance/heartbeat", r#"{"ii":1.5,"ht":0}"#, "ii"),
        ("/instance/heartbeat", r#"{"ii":"","ht":0}"#, "ii"),
    ] {
        let refused = collector.post(path, body).await.refused(400);
        assert_eq!(refused, field, "{path} {body}");
    }
}
