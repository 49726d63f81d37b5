//! The limits of a client, and the answers to garbage.

use std::time::Duration;

use rollcall_catalog::testing::Running;
use serde_json::{Value, json};

use super::kit::{Client, Server, config, of, subscribe, with};
use crate::{
    auth::Auth,
    grpc::wire::{Body, Metadata, Payload},
};

#[tokio::test]
async fn one_connection_too_many_is_refused_with_the_key() {
    let mut config = config();
    config.max_connections = 1;
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let _first = server.client().await;
    let mut second = Client::connect(server.address).await;
    let status = second.try_open().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert!(
        status.message().contains("nacos.default.max_connections"),
        "{status:?}"
    );
}

#[tokio::test]
async fn one_subscription_too_many_is_refused_with_the_key() {
    let mut config = config();
    config.max_subscriptions = 2;
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let mut client = server.client().await;
    for service in ["a", "b"] {
        client.subscribe(service).await;
    }
    let again = subscribe("a", "");
    client.ok("SubscribeServiceRequest", again).await;
    let (name, answer) = client
        .call("SubscribeServiceRequest", subscribe("c", ""))
        .await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("SubscribeServiceResponse", &json!(503))
    );
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("nacos.default.max_subscriptions_per_connection")
    );
    let end = with(subscribe("a", ""), json!({"subscribe": false}));
    client.ok("SubscribeServiceRequest", end).await;
    client.subscribe("c").await;
}

#[tokio::test]
async fn a_batch_of_too_many_instances_is_refused() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let instances = vec![json!({}); 10_001];
    let body = with(
        of("s"),
        json!({"type": "batchRegisterInstance", "instances": instances}),
    );
    let (_, answer) = client.call("BatchInstanceRequest", body).await;
    assert_eq!(answer["errorCode"], 503);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_the_connection_stays_open() {
    let mut config = config();
    config.max_message_size = 1 << 20;
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let mut client = server.client().await;
    let body = with(of("s"), json!({"x": "y".repeat(2 << 20)}));
    let refused = client
        .call_raw("ServiceQueryRequest", body.to_string())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused:?}");
    client.query("s").await;
}

/// Bodies that are not valid for any request.
fn garbage() -> Vec<String> {
    let deep = "[".repeat(100_000);
    let wide = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(10_000));
    let fields = [
        "namespace",
        "groupName",
        "serviceName",
        "type",
        "instance",
        "instances",
        "cluster",
        "healthyOnly",
        "pageNo",
        "pageSize",
        "subscribe",
        "clusters",
        "groupKeyPattern",
        "watchType",
        "initializing",
        "receivedGroupKeys",
    ];
    let values = ["null", "1e400", "-1", "\"\\u0000\"", "[[]]", "{\"a\":{}}"];
    let one = |field: &str, value: &str| {
        let mut body = of("s");
        body["type"] = "registerInstance".into();
        let text = body.to_string();
        format!("{},\"{field}\":{value}}}", text.trim_end_matches('}'))
    };
    let all = fields
        .iter()
        .flat_map(|field| values.iter().map(move |value| one(field, value)));
    [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{}",
        "\u{0}",
        "{\"instance\":{\"metadata\":{\"a\":null}}}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([deep, wide])
    .chain(all)
    .collect()
}

#[tokio::test]
async fn garbage_in_every_request_is_answered_and_survived() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for kind in [
        "ServerCheckRequest",
        "HealthCheckRequest",
        "InstanceRequest",
        "BatchInstanceRequest",
        "PersistentInstanceRequest",
        "ServiceQueryRequest",
        "ServiceListRequest",
        "SubscribeServiceRequest",
        "NamingFuzzyWatchRequest",
        "ConfigQueryRequest",
        "ServerReloadRequest",
        "",
        "ConnectionSetupRequest",
        "NotifySubscriberResponse",
        "\u{1F980}",
    ] {
        for body in garbage() {
            let (_, answer) = client.call_raw(kind, body.clone()).await.unwrap();
            assert!(answer["resultCode"].is_i64(), "{kind} {body}: {answer}");
        }
    }
    client.register("after", 80).await;
    assert_eq!(client.query("after").await, [80]);
}

#[tokio::test]
async fn garbage_on_the_stream_is_skipped() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for kind in [
        "ConnectionSetupRequest",
        "NotifySubscriberResponse",
        "ClientDetectionResponse",
        "ConnectResetResponse",
        "SetupAckResponse",
        "NamingFuzzyWatchSyncResponse",
        "InstanceRequest",
        "",
    ] {
        for body in garbage() {
            let metadata = Metadata {
                r#type: kind.into(),
                ..Metadata::default()
            };
            let body = Some(Body {
                value: body.into(),
                ..Body::default()
            });
            client
                .send_raw(Payload {
                    metadata: Some(metadata),
                    body,
                })
                .await;
        }
        client.send_raw(Payload::default()).await;
    }
    client.ok("HealthCheckRequest", Value::Null).await;
    client.register("s", 80).await;
}

#[tokio::test]
async fn an_unrequested_acknowledgement_changes_nothing() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.subscribe("s").await;
    for id in 0..1000 {
        let ack = json!({"resultCode": 200, "requestId": id.to_string()});
        consumer.send("NotifySubscriberResponse", ack).await;
    }
    provider.register("s", 80).await;
    assert_eq!(consumer.pushed().await.1, [80]);
}

#[tokio::test]
async fn many_services_of_one_client_end_with_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for n in 0..500 {
        client.register(&format!("s{n}"), 80).await;
    }
    client.close();
    while server.catalog().counts().registry.ephemeral > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_read_is_charged_to_the_budget_of_work() {
    let server = Server::working(super::kit::work(1 << 20)).await;
    let mut client = server.client().await;
    let instances = vec![json!({}); 9_000];
    let body = with(
        of("s"),
        json!({"type": "batchRegisterInstance", "instances": instances}),
    );
    let (name, answer) = client.call("BatchInstanceRequest", body).await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("BatchInstanceResponse", &json!(503))
    );
    assert!(
        answer["message"].as_str().unwrap().contains("`work`"),
        "{answer}"
    );
    client.register("s", 80).await;
    assert_eq!(client.query("s").await, [80]);
}

#[tokio::test]
async fn a_large_batch_is_read_on_the_threads_for_large_messages() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let ports: Vec<u16> = (1..=2_000).collect();
    client
        .ok("BatchInstanceRequest", super::kit::batch("s", &ports))
        .await;
    assert_eq!(client.query("s").await.len(), 2_000);
}

/// One address cannot prevent users at other addresses from signing in, over either protocol.
#[tokio::test]
async fn one_address_has_a_share_of_the_passwords_that_are_checked() {
    let hash = crate::auth::hash("secret").unwrap();
    let users = crate::auth::parse_users(&format!("reader {hash} public=r")).unwrap();
    let auth = Auth::new(users, &[7; 64], 60).unwrap();
    let server = Server::with(config(), auth, Running::start()).await;
    let client = server.client().await;
    let calls = (0..20).map(|guess| {
        let mut caller = client.clone_unary();
        let guess = format!("guess {guess}");
        caller.headers = vec![
            ("username".into(), "reader".into()),
            ("password".into(), guess),
        ];
        async move { caller.call("ServiceQueryRequest", of("s")).await.1 }
    });
    let answers = futures_util::future::join_all(calls).await;
    let busy = |answer: &&Value| {
        answer["message"]
            .as_str()
            .unwrap()
            .starts_with("too many sign-ins")
    };
    let busy = answers.iter().filter(busy).count();
    assert!((1..=12).contains(&busy), "{busy} of 20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_batches_of_many_clients_at_once_wait_for_each_other() {
    let server = Server::working(super::kit::work(20 << 20)).await;
    let ports: Vec<u16> = (1..=500).collect();
    let mut clients = Vec::new();
    for client in 0..30 {
        let batch = super::kit::batch(&format!("s{client}"), &ports);
        clients.push((server.client().await, batch));
    }
    let calls = clients.into_iter().map(|(mut client, batch)| async move {
        client.ok("BatchInstanceRequest", batch).await;
    });
    let calls: tokio::task::JoinSet<_> = calls.collect();
    assert_eq!(calls.join_all().await.len(), 30);
}
