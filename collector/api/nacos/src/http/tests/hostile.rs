//! Calls that no client makes.

use super::*;

/// Every parameter that any call reads.
const PARAMETERS: [&str; 46] = [
    "serviceName",
    "groupName",
    "namespaceId",
    "clusterName",
    "cluster",
    "clusters",
    "ip",
    "port",
    "weight",
    "enabled",
    "enable",
    "healthy",
    "valid",
    "ephemeral",
    "metadata",
    "app",
    "beat",
    "udpPort",
    "clientIP",
    "healthyOnly",
    "isCheck",
    "env",
    "key",
    "instances",
    "consistencyType",
    "protectThreshold",
    "selector",
    "pageNo",
    "pageSize",
    "expr",
    "serviceNameParam",
    "groupNameParam",
    "instance",
    "hasIpCount",
    "withInstances",
    "checkPort",
    "useInstancePort4Check",
    "healthChecker",
    "entry",
    "value",
    "clientId",
    "customNamespaceId",
    "namespaceName",
    "namespaceDesc",
    "username",
    "password",
];

fn all_set_to(value: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for name in PARAMETERS {
        form.append_pair(name, value);
    }
    form.finish()
}

#[tokio::test]
async fn garbage_is_the_callers_fault_in_every_call() {
    let long = "x".repeat(700);
    for garbage in [
        "\0",
        "\u{ffff}",
        "@@",
        "a@@",
        "@@a",
        "%",
        "%%%",
        "{",
        "[",
        "{\"a\":",
        "null",
        "-1",
        "NaN",
        "1e999",
        "99999999999999999999",
        "../../etc/passwd",
        "a=b",
        "=",
        ",",
        "a\r\nb: c",
        &long,
        "{\"type\":\"label\",\"expression\":\"&&&&\"}",
        "[{\"ip\":1}]",
        "[[[[[[[[[[[[[[[[",
    ] {
        let server = Server::start();
        let form = all_set_to(garbage);
        for route in all_routes() {
            let method = if route.method == "*" {
                "GET"
            } else {
                route.method
            };
            let path = route.path.replace('*', "%00%ff");
            let answered = if method == "GET" {
                server.call(&format!("{method} {path}?{form}")).await
            } else {
                server.form(&format!("{method} {path}"), &form).await
            };
            let is_raft = path.contains("/raft/");
            assert!(
                is_raft || answered.status != StatusCode::INTERNAL_SERVER_ERROR,
                "{method} {path} {garbage:.20}: {}",
                answered.text
            );
            assert!(answered.status.is_success() || !answered.text.is_empty());
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start();
    let form = format!(
        "serviceName=a&ip=1.1.1.1&port=80&metadata={}",
        "x".repeat(70_000)
    );
    let refused = server.form("POST /v1/ns/instance", &form).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        refused.text.contains("nacos.default.max_message_size"),
        "{}",
        refused.text
    );
}

/// Each of these is kept, so each has a limit of its own.
#[tokio::test]
async fn what_is_kept_of_a_call_is_bounded() {
    let server = Server::start();
    let long = "x".repeat(20_000);
    for call in [
        format!("GET /v1/ns/instance/list?serviceName=a&clusters={long}"),
        format!("GET /v1/ns/instance/list?serviceName=a&app={long}"),
        format!("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=80&app={long}"),
        format!("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=80&metadata=k={long}"),
        format!("POST /v1/ns/instance?serviceName=a&ip={long}&port=80"),
        format!("POST /v1/ns/instance?serviceName={long}&ip=1.1.1.1&port=80"),
        format!("POST /v1/ns/service?serviceName=a&selector={long}"),
        format!("POST /v1/console/namespaces?namespaceName={long}"),
        format!("POST /v1/console/namespaces?namespaceName=a&namespaceDesc={long}"),
        format!("PUT /v1/ns/operator/switches?entry=masters&value={long}"),
    ] {
        let refused = server.call(&call).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{call:.60}: {}",
            refused.text
        );
    }
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=80")
        .await;
    let merge = format!(
        "PUT /v1/ns/instance/metadata/batch?serviceName=a&consistencyType=ephemeral&metadata=k={}",
        "x".repeat(5_000)
    );
    assert_eq!(server.call(&merge).await.status, StatusCode::OK);
    let more = merge.replace("metadata=k", "metadata=other");
    assert_eq!(
        server.call(&more).await.status,
        StatusCode::BAD_REQUEST,
        "no sum of calls is larger"
    );
    for number in 0..64 {
        let set = format!(
            "PUT /v1/ns/cluster?serviceName=a&clusterName=c{number}&checkPort=80&useInstancePort4Check=true"
        );
        server
            .ok(&format!("{set}&healthChecker={{\"type\":\"TCP\"}}"))
            .await;
    }
    let one_more = r#"PUT /v1/ns/cluster?serviceName=a&clusterName=c64&checkPort=80&useInstancePort4Check=true&healthChecker={"type":"TCP"}"#;
    assert_eq!(server.call(one_more).await.status, StatusCode::BAD_REQUEST);
}

/// The reference reads every form as UTF-8 and uncompressed. Only a form that would lose its content in this way is refused.
#[tokio::test]
async fn a_form_in_another_charset_or_compressed_is_refused_and_an_ascii_one_is_read() {
    let server = Server::start();
    let form = "serviceName=a&ip=1.1.1.1&port=1&metadata=city%3DK%F6ln";
    let post = |kind: &'static str, form: &'static str, coding: &'static str| {
        let headers = [("content-type", kind), ("content-encoding", coding)];
        let server = &server;
        async move {
            let headers = if coding.is_empty() {
                &headers[..1]
            } else {
                &headers
            };
            server.typed("POST /v1/ns/instance", form, headers).await
        }
    };
    let latin = "application/x-www-form-urlencoded; charset=ISO-8859-1";
    let refused = post(latin, form, "").await;
    refused.is(
        415,
        "caused: the form has the charset 'ISO-8859-1' and cannot be read as UTF-8: send it as UTF-8, percent-encoded;",
    );
    let quoted = "APPLICATION/x-www-form-urlencoded;a=b;Charset=\"gb<18030\"";
    let refused = post(quoted, form, "identity").await;
    assert!(refused.text.contains("'gb<18030'"), "{}", refused.text);
    let plain = "application/x-www-form-urlencoded";
    let refused = post(plain, form, "gzip").await;
    refused.is(
        415,
        "caused: the form has the Content-Encoding 'gzip': send it uncompressed;",
    );
    let headers = [("content-type", plain), ("content-encoding", "br")];
    let refused = server.typed("POST /v2/ns/instance", form, &headers).await;
    assert_eq!(refused.status, 415);
    assert_eq!(refused.json()["code"], 20002, "{}", refused.text);

    for (kind, form) in [
        // Apache's client names this charset if the program names none.
        (latin, "serviceName=a&ip=1.1.1.1&port=1"),
        (
            latin,
            "serviceName=a&ip=1.1.1.2&port=1&metadata=city%3DK%C3%B6ln",
        ),
        (
            "application/x-www-form-urlencoded;charset=\"UTF-8\"",
            "serviceName=a&ip=1.1.1.3&port=1",
        ),
        // As in the reference, a form that names no charset is UTF-8 with losses.
        (
            plain,
            "serviceName=a&ip=1.1.1.4&port=1&metadata=city%3DK%F6ln",
        ),
    ] {
        post(kind, form, "").await.is_ok();
    }
    let empty = "/v1/ns/instance?serviceName=a&ip=1.1.1.5&port=1";
    let headers = [("content-encoding", "gzip")];
    server
        .typed(&format!("POST {empty}"), "", &headers)
        .await
        .is_ok();
    let listed = server.call("GET /v1/ns/instance/list?serviceName=a").await;
    assert_eq!(listed.hosts().len(), 5, "{}", listed.text);
}
