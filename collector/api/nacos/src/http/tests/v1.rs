use serde_json::json;

use super::*;

#[tokio::test]
async fn an_instance_is_registered_listed_and_deregistered() {
    let server = Server::start();
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=8080")
        .await;
    let list = server
        .call("GET /v1/ns/instance/list?serviceName=a&clusters=")
        .await
        .json();
    let expected = json!({
        "hosts": [{
            "ip": "10.0.0.1", "port": 8080, "valid": true, "healthy": true, "marked": false,
            "instanceId": "10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@a", "metadata": {}, "enabled": true,
            "weight": 1.0, "clusterName": "DEFAULT", "serviceName": "a", "ephemeral": true
        }],
        "dom": "a", "name": "DEFAULT_GROUP@@a", "cacheMillis": 3000,
        "lastRefTime": list["lastRefTime"], "checksum": list["checksum"], "useSpecifiedURL": false,
        "clusters": "", "env": "", "metadata": {}
    });
    assert_eq!(list, expected);
    assert!(list["lastRefTime"].as_i64().unwrap() >= 1_700_000_000_000);
    assert_eq!(list["checksum"].as_str().unwrap().len(), 32);
    let java = server
        .java("GET /v1/ns/instance/list?serviceName=DEFAULT_GROUP@@a")
        .await
        .json();
    assert_eq!(java["hosts"][0]["serviceName"], "DEFAULT_GROUP@@a");
    assert_eq!(java["dom"], "DEFAULT_GROUP@@a");
    server
        .ok("DELETE /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=8080")
        .await;
    server
        .ok("DELETE /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=8080")
        .await;
    assert!(
        server
            .call("GET /v1/ns/instance/list?serviceName=a")
            .await
            .hosts()
            .is_empty()
    );
}

#[tokio::test]
async fn the_list_of_an_unknown_service_is_empty_and_no_error() {
    let server = Server::start();
    let list = server
        .call("GET /v1/ns/instance/list?serviceName=none&clusters=a,b")
        .await;
    let expected =
        r#"{"name":"DEFAULT_GROUP@@none","clusters":"a,b","cacheMillis":3000,"hosts":[]}"#;
    list.is(200, expected);
}

/// Go 1.x and Python 0.1.7 send forms, which the packaged 1.4.8 does not read.
#[tokio::test]
async fn a_form_is_as_good_as_a_query() {
    let server = Server::start();
    let form = "serviceName=a&ip=10.0.0.2&port=8080&weight=2.5&enable=True&ephemeral=True&clusterName=c1&metadata=%7B%22k%22%3A1%7D";
    server.form("POST /v1/ns/instance", form).await.is_ok();
    let list = server
        .call("GET /v1/ns/instance/list?serviceName=a")
        .await
        .json();
    let host = &list["hosts"][0];
    assert_eq!(host["weight"], 2.5);
    assert_eq!(host["metadata"], json!({"k": "1"}));
    assert_eq!(host["clusterName"], "c1");
    let beat =
        "beat=%7B%22ip%22%3A%2210.0.0.2%22%2C%22port%22%3A8080%2C%22cluster%22%3A%22c1%22%7D";
    let beat = server
        .form("PUT /v1/ns/instance/beat?serviceName=a", beat)
        .await;
    beat.is(
        200,
        r#"{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}"#,
    );
}

#[tokio::test]
async fn names_fold_and_namespaces_are_apart() {
    let server = Server::start();
    for call in [
        "POST /v1/ns/instance?serviceName=a&groupName=g&ip=10.0.0.1&port=1",
        "POST /v1/ns/instance?serviceName=g@@a&groupName=other&ip=10.0.0.2&port=1",
        "POST /v1/ns/instance?serviceName=a&groupName=g&ip=10.0.0.3&port=1&namespaceId=never-created",
        "POST /v1/ns/instance?serviceName=a&groupName=g&ip=10.0.0.4&port=1&namespaceId=public",
    ] {
        server.ok(call).await;
    }
    let public = server
        .call("GET /v1/ns/instance/list?serviceName=g@@a&namespaceId=")
        .await;
    assert_eq!(public.hosts(), ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.4:1"]);
    let other = server
        .call("GET /v1/ns/instance/list?serviceName=g@@a&namespaceId=never-created")
        .await;
    assert_eq!(other.hosts(), ["10.0.0.3:1"]);
}

const WRONG: [(&str, u16, &str); 13] = [
    (
        "POST /v1/ns/instance?ip=1.1.1.1&port=80",
        400,
        "caused: Param 'serviceName' is required.;",
    ),
    (
        "POST /v1/ns/instance?serviceName=b&port=80",
        400,
        "caused: Param 'ip' is required.;",
    ),
    (
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1",
        400,
        "caused: Param 'port' is required.;",
    ),
    (
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1&port=80&weight=10001",
        400,
        "caused: instance format invalid: The weights range from 0.0 to 10000.0;",
    ),
    (
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1&port=80&weight=abc",
        400,
        "caused: For input string: \"abc\";",
    ),
    (
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1&port=80&metadata=garbage",
        400,
        "caused: metadata format incorrect:garbage;",
    ),
    (
        "POST /v1/ns/instance?serviceName=@@x&ip=1.1.1.1&port=80",
        400,
        "caused: Param 'serviceName' is illegal, groupName can't be empty;",
    ),
    (
        "POST /v1/ns/instance?serviceName=x@@&ip=1.1.1.1&port=80",
        400,
        "caused: Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName';",
    ),
    (
        "GET /v1/ns/instance?serviceName=zz&ip=1.1.1.1&port=1",
        404,
        "caused: no service DEFAULT_GROUP@@zz found!;",
    ),
    (
        "GET /v1/ns/service?serviceName=zz",
        404,
        "caused: service DEFAULT_GROUP@@zz is not found!;",
    ),
    (
        "DELETE /v1/ns/service?serviceName=zz",
        400,
        "caused: specified service not exist, serviceName : DEFAULT_GROUP@@zz;",
    ),
    (
        "GET /v1/ns/service/list?pageSize=1",
        400,
        "caused: Param 'pageNo' is required.;",
    ),
    (
        "GET /v1/ns/raft/leader",
        500,
        "caused: old raft protocol already stop;",
    ),
];

#[tokio::test]
async fn wrong_parameters_are_named_in_the_words_of_1_4() {
    let server = Server::start();
    for (call, status, text) in WRONG {
        server.call(call).await.is(status, text);
    }
    for call in [
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1&port=70000",
        "POST /v1/ns/instance?serviceName=a b&ip=1.1.1.1&port=80",
        "POST /v1/ns/instance?serviceName=b&ip=not an ip&port=80",
        "POST /v1/ns/instance?serviceName=b&ip=1.1.1.1&port=80&clusterName=c1,c2",
    ] {
        let refused = server.call(call).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{call}");
        assert!(
            refused.text.starts_with("caused: Param '"),
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn an_unknown_call_is_answered_as_the_framework_does() {
    let server = Server::start();
    for (call, status, message) in [
        (
            "GET /v1/ns/nosuch",
            501,
            "no such api:GET:/nacos/v1/ns/nosuch",
        ),
        (
            "POST /v1/ns/instance/list?serviceName=a",
            501,
            "no such api:POST:/nacos/v1/ns/instance/list",
        ),
        ("GET /v1/nosuch", 404, "No message available"),
        ("GET /v2/ns/nosuch", 404, "No message available"),
        (
            "PATCH /v3/client/ns/instance",
            405,
            "Method 'PATCH' is not supported.",
        ),
    ] {
        let answered = server.call(call).await;
        assert_eq!(answered.status.as_u16(), status, "{call}");
        let json = answered.json();
        assert_eq!(
            (json["status"].as_u64(), &json["message"]),
            (Some(status.into()), &json!(message))
        );
        assert!(json["timestamp"].as_str().unwrap().ends_with("+00:00"));
    }
    let other_method = http::Request::builder()
        .method("PATCH")
        .uri("/nacos/v3/client/ns/instance")
        .body(Body::empty())
        .unwrap();
    let refused = server.router.clone().oneshot(other_method).await.unwrap();
    assert_eq!(refused.headers()["allow"], "POST, DELETE");
    let outside = http::Request::builder()
        .uri("/elsewhere")
        .body(Body::empty())
        .unwrap();
    let outside = server.router.clone().oneshot(outside).await.unwrap();
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);
    server
        .call("GET /v1/ns/instance/list/?serviceName=a")
        .await
        .json();
}

/// A client with configuration logs one line and continues.
#[tokio::test]
async fn the_configuration_centre_is_refused_with_a_text() {
    let server = Server::start();
    for call in [
        "GET /v1/cs/configs?dataId=a&group=b",
        "POST /v1/cs/configs/listener",
        "GET /v2/cs/config?dataId=a&group=b",
        "GET /v3/client/cs/config?dataId=a&groupName=b",
    ] {
        let refused = server.call(call).await;
        assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED, "{call}");
        let message = refused.json()["message"].to_string();
        assert!(message.contains("no configuration centre"), "{message}");
    }
}

#[tokio::test]
async fn the_first_calls_of_probes_and_clients_are_answered() {
    let server = Server::start();
    for (call, text) in [
        ("GET /v1/console/health/liveness", "OK"),
        ("GET /v1/console/health/readiness", "OK"),
        (
            "GET /v3/admin/core/state/liveness",
            r#"{"code":0,"message":"success","data":"ok"}"#,
        ),
        ("GET /serverlist", "127.0.0.1:8848\r\n"),
    ] {
        server.call(call).await.is(200, text);
    }
    assert_eq!(
        server.call("GET /v1/ns/operator/metrics").await.json()["status"],
        "UP"
    );
    let short = server
        .call("GET /v1/ns/operator/metrics?onlyStatus=true")
        .await
        .json();
    assert_eq!(short, json!({"status": "UP"}));
    let login = server
        .form("POST /v1/auth/users/login?username=nacos", "password=nacos")
        .await
        .json();
    assert!(login["tokenTtl"].is_u64() && !login["accessToken"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn an_operator_may_close_the_server_and_open_it_again() {
    let server = Server::start();
    server
        .ok("PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=DOWN")
        .await;
    let refused = server.call("GET /v1/ns/instance/list?serviceName=a").await;
    refused.is(503, "server is DOWNnow, please try again later!");
    assert_eq!(
        server.call("GET /v1/ns/operator/metrics").await.json()["status"],
        "DOWN"
    );
    server
        .ok("PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=READ_ONLY")
        .await;
    server
        .call("GET /v1/ns/instance/list?serviceName=a")
        .await
        .json();
    let refused = server
        .call("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=1")
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    server
        .ok("PUT /v1/ns/operator/switches?entry=overriddenServerStatus&value=null")
        .await;
    server
        .ok("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=1")
        .await;
}

/// Java's client registers an instance whose metadata is null in this way, as after a beat that found no instance.
#[tokio::test]
async fn metadata_that_is_null_counts_as_empty() {
    let server = Server::start();
    let instance = "/v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80&metadata";
    server.ok(&format!("POST {instance}=null")).await;
    server.ok(&format!("POST {instance}={{\"k\":\"v\"}}")).await;
    server.ok(&format!("PUT {instance}=null")).await;
    let list = server.call("GET /v1/ns/instance/list?serviceName=a").await;
    assert_eq!(list.json()["hosts"][0]["metadata"], json!({"k": "v"}));
}
