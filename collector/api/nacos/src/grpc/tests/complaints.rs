//! The complaints of the reference's users, each as a promise.

use std::time::Duration;

use rollcall_catalog::testing::Running;
use rollcall_domain::catalog::{Endpoint, Override, ServiceKey};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::kit::{Client, Server, batch, config, instance, of, ports, setup};
use crate::auth::{Auth, parse_users};

#[tokio::test]
async fn a_second_registration_on_a_connection_replaces_the_first() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 1).await;
    client.register("s", 2).await;
    assert_eq!(client.query("s").await, [2]);
}

#[tokio::test]
async fn a_batch_is_all_that_a_connection_holds_of_a_service() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for ports in [&[1, 2, 3][..], &[2], &[2, 4], &[]] {
        client.ok("BatchInstanceRequest", batch("s", ports)).await;
        let expected: Vec<_> = ports.iter().map(|port| i64::from(*port)).collect();
        assert_eq!(client.query("s").await, expected);
    }
}

#[tokio::test]
async fn a_call_before_the_set_up_is_parked_and_not_refused() {
    let server = Server::start().await;
    let mut client = Client::connect(server.address).await;
    client.open().await;
    let mut early = client.clone_unary();
    let early = async move {
        early
            .ok("HealthCheckRequest", json!({"requestId": null}))
            .await
    };
    let late = async {
        sleep(Duration::from_millis(300)).await;
        client.send("ConnectionSetupRequest", setup()).await;
    };
    tokio::join!(early, late);
}

#[tokio::test]
async fn clients_behind_one_address_have_connections_of_their_own() {
    let server = Server::start().await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    one.register("s", 1).await;
    other.register("s", 2).await;
    assert_eq!(one.query("s").await, [1, 2]);
    one.close();
    while server.catalog().counts().connections > 1 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(other.query("s").await, [2]);
}

#[tokio::test]
async fn a_server_that_stops_pushes_no_shrinking_lists() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    provider.register("s", 80).await;
    assert_eq!(consumer.subscribe("s").await, [80]);
    server.stop();
    provider.close();
    loop {
        let (kind, body) = match consumer.try_next().await {
            Some(message) => message,
            None => break,
        };
        assert_ne!(kind, "NotifySubscriberRequest", "{body}");
    }
    let key = ServiceKey::new("", "", "s").unwrap();
    assert_eq!(server.catalog().instances(&key).unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_that_never_acknowledges_is_pushed_a_limited_number_of_times() {
    let mut config = config();
    config.patience.pushes.after = Duration::from_millis(100);
    config.patience.pushes.pause = Duration::from_millis(10);
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.acknowledges = false;
    consumer.subscribe("s").await;
    provider.register("s", 80).await;
    for _ in 0..4 {
        assert_eq!(consumer.pushed().await.1, [80]);
    }
    // The repetitions are used up.
    sleep(Duration::from_secs(1)).await;
    consumer.receives_nothing().await;
    // The next change is pushed again.
    provider.register("s", 81).await;
    assert_eq!(consumer.pushed().await.1, [81]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_gets_the_latest_state_and_holds_no_queue() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.subscribe("s").await;
    let large: Vec<_> = (0..500).map(|n| 1000 + n).collect();
    for last in 0..40 {
        let ports = [&large[..], &[last]].concat();
        provider
            .ok("BatchInstanceRequest", batch("s", &ports))
            .await;
        sleep(Duration::from_millis(20)).await;
    }
    let mut pushes = 1;
    while !consumer.pushed().await.1.contains(&39) {
        pushes += 1;
    }
    assert!(pushes < 25, "{pushes} pushes of 40 changes");
    consumer.receives_nothing().await;
}

#[tokio::test]
async fn a_registration_that_changes_nothing_is_not_pushed() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    provider.register("s", 80).await;
    assert_eq!(consumer.subscribe("s").await, [80]);
    consumer.receives_nothing().await;
    provider.register("s", 80).await;
    consumer.receives_nothing().await;
}

/// Java subscribes again after a reconnect, and ignores the answer.
#[tokio::test]
async fn what_changed_during_a_reconnect_is_pushed_after_it() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    provider.register("s", 80).await;
    assert_eq!(consumer.subscribe("s").await, [80]);
    consumer.close();
    provider.register("s", 81).await;
    let mut again = server.client().await;
    assert_eq!(again.subscribe("s").await, [81]);
}

#[tokio::test]
async fn the_first_change_is_pushed_at_once() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    let mut delays = Vec::new();
    for service in ["a", "b", "c", "d", "e"] {
        consumer.subscribe(service).await;
        let start = Instant::now();
        provider.register(service, 80).await;
        assert_eq!(consumer.pushed().await.1, [80]);
        delays.push(start.elapsed());
    }
    // A busy machine may delay one or two of them.
    delays.sort();
    assert!(delays[2] < Duration::from_millis(400), "{delays:?}");
}

#[tokio::test]
async fn every_answer_about_a_service_is_newer_than_the_last() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    consumer.subscribe("s").await;
    let mut last = 0;
    for port in 1..20 {
        provider.register("s", port).await;
        let (service, _) = consumer.pushed().await;
        let time = service["lastRefTime"].as_i64().unwrap();
        assert!(time > last, "{time} after {last}");
        last = time;
    }
}

#[tokio::test]
async fn ephemeral_and_persistent_instances_live_side_by_side() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 1).await;
    let persistent = instance("s", "registerInstance", 2);
    client.ok("PersistentInstanceRequest", persistent).await;
    assert_eq!(client.query("s").await, [1, 2]);
}

#[tokio::test]
async fn persistent_instances_are_there_after_a_restart() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let persistent = instance("s", "registerInstance", 2);
    client.ok("PersistentInstanceRequest", persistent).await;
    let store = server.running.store.clone();
    drop((client, server));
    let running = Running::with(
        Default::default(),
        store,
        std::sync::Arc::new(rollcall_catalog::NoEvents),
    );
    let server = Server::with(config(), Auth::off(), running).await;
    assert_eq!(server.client().await.query("s").await, [2]);
}

#[tokio::test]
async fn a_redo_does_not_undo_what_an_operator_set() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 80).await;
    let key = ServiceKey::new("", "", "s").unwrap();
    let endpoint = Endpoint::new("10.0.0.1", 80, "").unwrap();
    let offline = Override {
        enabled: Some(false),
        ..Override::none(server.catalog().wall())
    };
    server
        .catalog()
        .set_override(&key, &endpoint, offline)
        .await
        .unwrap();
    assert!(client.query("s").await.is_empty());
    client.close();
    let mut again = server.client().await;
    again.register("s", 80).await;
    assert!(again.query("s").await.is_empty());
}

#[tokio::test]
async fn a_refusal_has_the_type_of_the_answer() {
    let auth = auth();
    let server = Server::with(config(), auth.clone(), Running::start()).await;
    let mut client = server.client().await;
    let (name, answer) = client.call("ServiceQueryRequest", of("s")).await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("QueryServiceResponse", &json!(403))
    );
    assert!(answer["serviceInfo"].is_object());
    client.headers = vec![("accessToken".into(), "x".into())];
    let (name, answer) = client
        .call("InstanceRequest", instance("s", "registerInstance", 1))
        .await;
    assert_eq!(
        (name.as_str(), &answer["errorCode"]),
        ("InstanceResponse", &json!(403))
    );
    let now = u64::try_from(server.catalog().wall().millis() / 1000).unwrap();
    let token = auth
        .login(None, "reader", "secret", now)
        .await
        .unwrap()
        .access_token;
    client.headers = vec![("accesstoken".into(), token)];
    client.query("s").await;
    let (_, answer) = client
        .call("InstanceRequest", instance("s", "registerInstance", 1))
        .await;
    assert_eq!(answer["errorCode"], 403);
    // A connection stays up meanwhile.
    client.headers.clear();
    client.ok("HealthCheckRequest", json!({})).await;
}

fn auth() -> Auth {
    let hash = crate::auth::hash("secret").unwrap();
    let users = parse_users(&format!("reader {hash} public=r")).unwrap();
    Auth::new(users, &[7; 64], 60).unwrap()
}

#[tokio::test]
async fn a_reconnect_storm_registers_everything_once() {
    let server = Server::start().await;
    let mut consumer = server.client().await;
    consumer.subscribe("s").await;
    let mut clients = Vec::new();
    for port in 1..30 {
        let mut client = server.client().await;
        client.register("s", port).await;
        // The client registers again.
        client.register("s", port).await;
        clients.push(client);
    }
    let answer = consumer.ok("ServiceQueryRequest", of("s")).await;
    assert_eq!(ports(&answer["serviceInfo"]).len(), 29);
    drop(clients);
}
