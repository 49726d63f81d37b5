//! From the opening of a connection to its end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::kit::{Client, SETTLED, Server, config, of, setup, with};
use crate::auth::Auth;
use rollcall_catalog::testing::Running;

#[tokio::test]
async fn a_server_check_needs_no_set_up_and_names_the_connection() {
    let server = Server::start().await;
    let mut client = Client::connect(server.address).await;
    let check = json!({"module": "internal"});
    let before = client.ok("ServerCheckRequest", check.clone()).await;
    assert_eq!(before["supportAbilityNegotiation"], true);
    client.open().await;
    client.set_up().await;
    let after = client.ok("ServerCheckRequest", check).await;
    assert_eq!(before["connectionId"], after["connectionId"]);
    let id = before["connectionId"].as_str().unwrap();
    assert!(id.starts_with("1700000000000_127.0.0.1_"), "{id}");
    assert!(server.catalog().connection_named(id).is_some());
}

#[tokio::test]
async fn a_set_up_is_acknowledged_to_clients_that_wait_for_it() {
    let server = Server::start().await;
    let mut client = Client::connect(server.address).await;
    client.open().await;
    let old = with(
        setup(),
        json!({"abilityTable": null, "abilities": {"remoteAbility": {}}}),
    );
    client.send("ConnectionSetupRequest", old).await;
    client.receives_nothing().await;
    client.ok("HealthCheckRequest", json!({})).await;
    for _ in 0..2 {
        client.send("ConnectionSetupRequest", setup()).await;
        let (kind, body) = client.next().await;
        assert_eq!(kind, "SetupAckRequest");
        assert_eq!(body["abilityTable"]["fuzzyWatch"], true);
    }
    assert_eq!(server.catalog().counts().connections, 1);
}

#[tokio::test]
async fn a_connection_without_a_stream_is_unregistered() {
    let server = Server::start().await;
    let mut client = Client::connect(server.address).await;
    for kind in ["HealthCheckRequest", "ServiceQueryRequest"] {
        let (name, answer) = client.call(kind, of("s")).await;
        assert_eq!(
            (name.as_str(), &answer["errorCode"]),
            ("ErrorResponse", &json!(301))
        );
        assert_eq!(answer["message"], "Connection is unregistered.");
    }
}

#[tokio::test]
async fn what_a_connection_holds_ends_with_it() {
    let server = Server::start().await;
    let (mut provider, mut consumer) = (server.client().await, server.client().await);
    provider.register("s", 80).await;
    assert_eq!(consumer.subscribe("s").await, [80]);
    provider.close();
    assert_eq!(consumer.pushed().await.1, [0; 0]);
    let counts = server.catalog().counts();
    assert_eq!((counts.connections, counts.subscriptions), (1, 1));
    consumer.close();
    while server.catalog().counts().connections > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.catalog().counts().subscriptions, 0);
    assert_eq!(server.face.connections.open(), 0);
}

#[tokio::test]
async fn a_connection_takes_nothing_that_another_one_registered_since() {
    let server = Server::start().await;
    let (mut earlier, mut later) = (server.client().await, server.client().await);
    earlier.register("s", 80).await;
    later.register("s", 80).await;
    earlier.close();
    while server.catalog().counts().connections > 1 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(later.query("s").await, [80]);
}

#[tokio::test]
async fn a_silent_client_is_probed_and_closed() {
    let mut config = config();
    config.patience.idle = Duration::from_millis(600);
    config.patience.probe = Duration::from_millis(600);
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let (mut live, mut silent) = (server.client().await, server.client().await);
    silent.acknowledges = false;
    silent.register("s", 80).await;
    let start = Instant::now();
    let (kind, _) = silent.next().await;
    assert_eq!(kind, "ClientDetectionRequest");
    let ended = silent.end();
    // The live one answers every probe.
    let live = async {
        while start.elapsed() < Duration::from_secs(3) {
            assert_eq!(live.next().await.0, "ClientDetectionRequest");
        }
    };
    let (ended, ()) = tokio::join!(ended, live);
    ended.unwrap();
    let counts = server.catalog().counts();
    assert_eq!((counts.connections, counts.registry.ephemeral), (1, 0));
}

#[tokio::test]
async fn a_stream_without_a_set_up_is_closed() {
    let mut config = config();
    config.patience.setup = Duration::from_millis(100);
    let server = Server::with(config, Auth::off(), Running::start()).await;
    let mut client = Client::connect(server.address).await;
    client.open().await;
    client.end().await.unwrap();
}

#[tokio::test]
async fn a_second_stream_on_a_connection_takes_the_place_of_the_first() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 80).await;
    let mut old = client.take_stream();
    client.open().await;
    client.set_up().await;
    while old.message().await.unwrap().is_some() {}
    while server.catalog().counts().connections > 1 {
        sleep(Duration::from_millis(5)).await;
    }
    client.register("t", 81).await;
    assert_eq!(client.query("t").await, [81]);
    assert!(client.query("s").await.is_empty());
}

#[tokio::test]
async fn a_stopping_server_requests_its_clients_to_reconnect_and_lets_them_close_their_connection()
{
    let server = Server::start().await;
    let mut client = server.client().await;
    client.register("s", 80).await;
    client.acknowledges = false;
    server.stop();
    let (kind, body) = client.next().await;
    assert_eq!(kind, "ConnectResetRequest");
    assert_eq!(body.get("serverIp"), None::<&Value>);
    client
        .send("ConnectResetResponse", json!({"resultCode": 200}))
        .await;
    // The client is connecting to another server meanwhile.
    let mut stream = client.take_stream();
    let ended = tokio::time::timeout(SETTLED, stream.message()).await;
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(client.query("s").await, [80]);
}

#[tokio::test]
async fn a_client_that_does_not_leave_is_disconnected() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.acknowledges = false;
    server.stop();
    client.end().await.unwrap();
}
