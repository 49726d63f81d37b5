//! Fuzzy watches of 3.x clients.

use rollcall_domain::catalog::{Endpoint, Kind, Publisher, Registration, ServiceKey};
use serde_json::{Value, json};

use super::kit::{Client, Server, instance, with};

fn watch(pattern: &str) -> Value {
    json!({
        "namespace": "public", "groupKeyPattern": pattern, "watchType": "WATCH", "initializing": true, "receivedGroupKeys": [],
    })
}

/// The services of the next synchronisation.
async fn synced(client: &mut Client) -> (String, Vec<(String, String)>) {
    let (kind, body) = client.next().await;
    assert_eq!(kind, "NamingFuzzyWatchSyncRequest");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let contexts = body["contexts"].as_array().unwrap().iter();
    let changes =
        contexts.map(|context| (text(&context["serviceKey"]), text(&context["changedType"])));
    (text(&body["syncType"]), changes.collect())
}

#[tokio::test]
async fn a_watch_reports_present_new_and_removed_services() {
    let server = Server::start().await;
    let (mut provider, mut watcher) = (server.client().await, server.client().await);
    provider.register("order-a", 80).await;
    provider.register("other", 80).await;
    watcher
        .ok(
            "NamingFuzzyWatchRequest",
            watch("public>>DEFAULT_GROUP>>order-*"),
        )
        .await;
    let added = |name: &str| {
        (
            format!("public@@DEFAULT_GROUP@@{name}"),
            "ADD_SERVICE".to_owned(),
        )
    };
    assert_eq!(
        synced(&mut watcher).await,
        ("FUZZY_WATCH_INIT_NOTIFY".into(), vec![added("order-a")])
    );
    assert_eq!(
        synced(&mut watcher).await,
        ("FINISH_FUZZY_WATCH_INIT_NOTIFY".into(), vec![])
    );
    provider.register("order-b", 81).await;
    provider.register("other-b", 81).await;
    let (kind, body) = watcher.next().await;
    assert_eq!(kind, "NamingFuzzyWatchChangeNotifyRequest");
    assert_eq!(body["syncType"], "FUZZY_WATCH_RESOURCE_CHANGED");
    assert_eq!(
        (&body["serviceKey"], &body["changedType"]),
        (&json!(added("order-b").0), &json!("ADD_SERVICE"))
    );
    watcher.receives_nothing().await;
    let cancel = with(
        watch("public>>DEFAULT_GROUP>>order-*"),
        json!({"watchType": "CANCEL_WATCH"}),
    );
    watcher.ok("NamingFuzzyWatchRequest", cancel).await;
    provider.register("order-c", 82).await;
    watcher.receives_nothing().await;
}

#[tokio::test]
async fn limits_of_watches_are_refused_with_their_codes() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for n in 0..51 {
        let register = instance(&format!("s{n}"), "registerInstance", 80);
        client.ok("InstanceRequest", register).await;
    }
    let (name, answer) = client
        .call("NamingFuzzyWatchRequest", watch("public>>*>>s*"))
        .await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("NamingFuzzyWatchResponse", &json!(50_311))
    );
    for n in 0..3 {
        client
            .ok(
                "NamingFuzzyWatchRequest",
                watch(&format!("public>>*>>x{n}*")),
            )
            .await;
    }
    let (_, answer) = client
        .call("NamingFuzzyWatchRequest", watch("public>>*>>x9*"))
        .await;
    assert_eq!(answer["errorCode"], 50_310);
    let (_, answer) = client
        .call("NamingFuzzyWatchRequest", watch("nonsense"))
        .await;
    assert_eq!(answer["errorCode"], 400);
}

#[tokio::test]
async fn a_watch_finds_services_whose_appearance_it_missed() {
    let server = Server::start().await;
    let mut watcher = server.client().await;
    watcher
        .ok("NamingFuzzyWatchRequest", watch("public>>*>>order-*"))
        .await;
    assert_eq!(
        synced(&mut watcher).await.0,
        "FINISH_FUZZY_WATCH_INIT_NOTIFY"
    );
    let publisher = Publisher::Operator;
    // More changes than the channel keeps, before the face reads the first one.
    for number in 0..3_000 {
        let name = if number % 1_000 == 0 {
            "order"
        } else {
            "other"
        };
        let key = ServiceKey::new("", "", &format!("{name}-{number}")).unwrap();
        let endpoint = Endpoint::new("10.0.0.1", 80, "").unwrap();
        let registration = Registration::new(endpoint, Kind::Ephemeral);
        server
            .catalog()
            .register_ephemeral(&publisher, &key, registration)
            .unwrap();
    }
    let mut appeared = Vec::new();
    for _ in 0..3 {
        let (kind, body) = watcher.next().await;
        assert_eq!(kind, "NamingFuzzyWatchChangeNotifyRequest");
        appeared.push(body["serviceKey"].as_str().unwrap().to_owned());
    }
    appeared.sort();
    assert_eq!(
        appeared,
        [0, 1_000, 2_000].map(|number| format!("public@@DEFAULT_GROUP@@order-{number}"))
    );
}

/// A regression test: a watch kept every text in the client's list of known services, whatever its length.
#[tokio::test]
async fn only_names_of_services_count_as_received() {
    let server = Server::start().await;
    let mut watcher = server.client().await;
    let received = ["public@@DEFAULT_GROUP@@gone".to_owned()];
    let long = format!("public@@DEFAULT_GROUP@@{}", "x".repeat(1_000));
    let odd = ["public@@DEFAULT_GROUP@@".to_owned(), "x".to_owned(), long];
    let keys: Vec<_> = odd.iter().chain(&received).collect();
    let body = with(
        watch("public>>DEFAULT_GROUP>>*"),
        json!({"receivedGroupKeys": keys}),
    );
    watcher.ok("NamingFuzzyWatchRequest", body).await;
    let removed = received.map(|name| (name, "DELETE_SERVICE".to_owned()));
    assert_eq!(synced(&mut watcher).await.1, removed);
    assert_eq!(
        synced(&mut watcher).await,
        ("FINISH_FUZZY_WATCH_INIT_NOTIFY".into(), vec![])
    );
}
