//! The naming requests.

use serde_json::json;

use super::kit::{Client, Server, batch, host, instance, of, ports, subscribe, with};

#[tokio::test]
async fn a_registration_is_seen_by_a_query() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 80).await;
    let answer = client.ok("ServiceQueryRequest", of("s")).await;
    let service = &answer["serviceInfo"];
    assert_eq!(service["name"], "s");
    assert_eq!(service["groupName"], "DEFAULT_GROUP");
    assert_eq!(service["cacheMillis"], 10_000);
    assert!(service["lastRefTime"].as_i64().unwrap() >= 1_700_000_000_000);
    assert_eq!(
        service["hosts"],
        json!([{
            "instanceId": "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@s", "ip": "10.0.0.1", "port": 80, "weight": 1.0, "healthy": true,
            "enabled": true, "ephemeral": true, "clusterName": "DEFAULT", "serviceName": "DEFAULT_GROUP@@s",
            "metadata": {"k": "v"}, "instanceHeartBeatInterval": 5000, "instanceHeartBeatTimeOut": 15000, "ipDeleteTimeout": 30000,
        }])
    );
}

#[tokio::test]
async fn an_unknown_service_is_an_empty_list_and_is_not_created() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert!(client.query("s").await.is_empty());
    assert!(client.subscribe("s").await.is_empty());
    let list = with(of(""), json!({"pageNo": 1, "pageSize": 10}));
    assert_eq!(client.ok("ServiceListRequest", list).await["count"], 0);
}

#[tokio::test]
async fn a_list_is_sorted_and_has_pages() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for service in ["c", "a", "b"] {
        client.register(service, 80).await;
    }
    for (page, size, expected) in [
        (1, 2, json!(["a", "b"])),
        (2, 2, json!(["c"])),
        (0, 2, json!(["a", "b"])),
        (9, 2, json!([])),
        (i64::MAX, i64::MAX, json!([])),
        (1, -5, json!(["a", "b", "c"])),
    ] {
        let list = with(of(""), json!({"pageNo": page, "pageSize": size}));
        let answer = client.ok("ServiceListRequest", list).await;
        assert_eq!(answer["count"], 3);
        assert_eq!(answer["serviceNames"], expected, "{page} {size}");
    }
}

#[tokio::test]
async fn a_query_selects_clusters_and_healthy_instances() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let hosts = [
        host(1),
        with(host(2), json!({"clusterName": "c1"})),
        with(host(3), json!({"healthy": false})),
    ];
    let batch = with(batch("s", &[]), json!({"instances": hosts}));
    client.ok("BatchInstanceRequest", batch).await;
    for (fields, expected) in [
        (json!({}), vec![1, 2, 3]),
        (json!({"cluster": "c1"}), vec![2]),
        (
            json!({"cluster": "c1,DEFAULT", "healthyOnly": true}),
            vec![1, 2],
        ),
        (json!({"healthOnly": true}), vec![1, 2]),
    ] {
        let answer = client
            .ok("ServiceQueryRequest", with(of("s"), fields.clone()))
            .await;
        assert_eq!(ports(&answer["serviceInfo"]), expected, "{fields}");
    }
}

#[tokio::test]
async fn the_empty_namespace_is_public() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 80).await;
    let query = with(of("s"), json!({"namespace": ""}));
    let answer = client.ok("ServiceQueryRequest", query).await;
    assert_eq!(ports(&answer["serviceInfo"]), [80]);
}

#[tokio::test]
async fn a_subscription_echoes_its_clusters_and_a_later_one_replaces_it() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.subscribe("s").await;
    consumer.subscribe_to("s", "c1").await;
    let hosts = [host(1), with(host(2), json!({"clusterName": "c1"}))];
    let batch = with(batch("s", &[]), json!({"instances": hosts}));
    provider.ok("BatchInstanceRequest", batch).await;
    let (service, ports) = consumer.pushed().await;
    assert_eq!(service["clusters"], "c1");
    assert_eq!(ports, [2]);
    consumer.receives_nothing().await;
}

#[tokio::test]
async fn the_same_subscription_again_is_answered_and_not_pushed() {
    let server = Server::start().await;
    let mut consumer = server.client().await;
    consumer.register("s", 80).await;
    assert_eq!(consumer.subscribe("s").await, [80]);
    let answer = consumer
        .ok("SubscribeServiceRequest", subscribe("s", ""))
        .await;
    assert_eq!(ports(&answer["serviceInfo"]), [80]);
    consumer.receives_nothing().await;
}

#[tokio::test]
async fn an_unsubscribed_service_is_not_pushed() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.subscribe("s").await;
    let end = with(subscribe("s", ""), json!({"subscribe": false}));
    consumer.ok("SubscribeServiceRequest", end.clone()).await;
    consumer.ok("SubscribeServiceRequest", end).await;
    provider.register("s", 80).await;
    consumer.receives_nothing().await;
}

/// Otherwise the listeners of the later clusters would get no changes.
#[tokio::test]
async fn a_subscription_outlives_the_end_of_an_earlier_one_for_other_clusters() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    let end = |clusters| with(subscribe("s", clusters), json!({"subscribe": false}));
    consumer.subscribe_to("s", "c1").await;
    consumer.subscribe_to("s", "c2").await;
    consumer.ok("SubscribeServiceRequest", end("c1")).await;
    let place = with(host(1), json!({"clusterName": "c2"}));
    let register = with(
        instance("s", "registerInstance", 1),
        json!({"instance": place}),
    );
    provider.ok("InstanceRequest", register).await;
    assert_eq!(consumer.pushed().await.1, [1]);
    consumer.ok("SubscribeServiceRequest", end("c2")).await;
    provider
        .ok("InstanceRequest", instance("s", "deregisterInstance", 1))
        .await;
    consumer.receives_nothing().await;
}

#[tokio::test]
async fn to_deregister_removes_what_the_connection_holds_and_nothing_else() {
    let server = Server::start().await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    one.register("s", 1).await;
    other.register("s", 2).await;
    // The address does not matter, and there may be no instance at it.
    for _ in 0..2 {
        one.ok("InstanceRequest", instance("s", "deregisterInstance", 99))
            .await;
        assert_eq!(other.query("s").await, [2]);
    }
}

#[tokio::test]
async fn a_persistent_instance_survives_its_connection() {
    let server = Server::start().await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    let persistent = |kind| {
        with(
            instance("s", kind, 1),
            json!({"instance": with(host(1), json!({"ephemeral": false}))}),
        )
    };
    one.ok("PersistentInstanceRequest", persistent("registerInstance"))
        .await;
    one.register("s", 2).await;
    other.subscribe("s").await;
    one.close();
    assert_eq!(other.pushed().await.1, [1]);
    for _ in 0..2 {
        other
            .ok(
                "PersistentInstanceRequest",
                persistent("deregisterInstance"),
            )
            .await;
    }
    assert_eq!(other.pushed().await.1, [0; 0]);
}

#[tokio::test]
async fn mistakes_are_answered_with_the_texts_of_the_reference() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let register = |fields| with(instance("s", "registerInstance", 80), fields);
    let place = |fields| register(json!({"instance": with(host(80), fields)}));
    let illegal = "illegal characters should not appear in the param.";
    for (kind, body, code, message) in [
        ("InstanceRequest", register(json!({"type": "wat"})), 400, "Unsupported request type wat".to_owned()),
        ("InstanceRequest", register(json!({"instance": null})), 400, "Instance can not be null.".to_owned()),
        ("InstanceRequest", register(json!({"serviceName": null})), 500, "Param 'serviceName' is illegal, serviceName is blank".to_owned()),
        ("InstanceRequest", register(json!({"groupName": ""})), 500, "Param 'groupName' is illegal, groupName is blank".to_owned()),
        ("InstanceRequest", register(json!({"serviceName": "a b"})), 400, format!("Param check invalid:Param 'serviceName' is illegal, {illegal}")),
        ("ServiceQueryRequest", of("DEFAULT_GROUP@@s"), 400, format!("Param check invalid:Param 'serviceName' is illegal, {illegal}")),
        ("ServiceQueryRequest", of(&"s".repeat(513)), 400, "Param check invalid:Param 'serviceName' is illegal, the param length should not exceed 512.".to_owned()),
        ("InstanceRequest", place(json!({"port": 70_000})), 400, "Param check invalid:Param 'port' is illegal, the value should be between 0 and 65535.".to_owned()),
        ("InstanceRequest", place(json!({"clusterName": "c_1"})), 400, "Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: c_1)".to_owned()),
        ("InstanceRequest", place(json!({"metadata": {"k": "x".repeat(3000)}})), 400, "Param check invalid:Param 'Metadata' is illegal, the param length should not exceed 1024.".to_owned()),
        ("InstanceRequest", place(json!({"metadata": {"preserved.heart.beat.interval": "20000"}})), 400, "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.".to_owned()),
    ] {
        let (name, answer) = client.call(kind, body).await;
        assert_eq!(answer["errorCode"], code, "{answer}");
        assert_eq!(answer["message"], message);
        assert_eq!((&answer["resultCode"], &answer["success"]), (&json!(500), &json!(false)));
        assert_ne!(name, "ErrorResponse", "{message}");
    }
    assert!(client.query("s").await.is_empty());
}

#[tokio::test]
async fn names_may_have_the_letters_of_any_language() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("订单服务", 80).await;
    assert_eq!(client.query("订单服务").await, [80]);
}

#[tokio::test]
async fn requests_that_are_not_served_are_refused_with_a_text() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let config = json!({"dataId": "x", "group": "g", "tenant": "", "module": "config"});
    for (kind, response) in [
        ("ConfigQueryRequest", "ConfigQueryResponse"),
        ("ConfigPublishRequest", "ConfigPublishResponse"),
        ("ConfigRemoveRequest", "ConfigRemoveResponse"),
        (
            "ConfigBatchListenRequest",
            "ConfigChangeBatchListenResponse",
        ),
    ] {
        let (name, answer) = client.call(kind, config.clone()).await;
        assert_eq!(name, response);
        assert_eq!(answer["errorCode"], 501);
        assert!(
            answer["message"]
                .as_str()
                .unwrap()
                .contains("configuration")
        );
    }
    let (name, answer) = client.call("ServerLoaderInfoRequest", json!({})).await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("ErrorResponse", &json!(502))
    );
    let (name, answer) = client.call("NoSuchRequest", json!({})).await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("ErrorResponse", &json!(302))
    );
    let (name, answer) = client.call_raw("InstanceRequest", "{nope").await.unwrap();
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("ErrorResponse", &json!(502))
    );
    drop::<Client>(client);
}
