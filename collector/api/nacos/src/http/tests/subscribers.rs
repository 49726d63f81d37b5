//! The subscribers of a service, as consoles list them.

use rollcall_catalog::{Connection, Interest, Outbox};
use rollcall_domain::{
    Timestamp,
    catalog::{Clusters, ServiceKey, Subscriber},
};
use serde_json::json;

use super::*;

const LIST: &str = "GET /v1/ns/instance/list?serviceName=a";
const SUBSCRIBERS: &str = "GET /v1/ns/service/subscribers?serviceName=a";

impl Server {
    /// Subscribes to the service `a` over a connection of its own.
    fn subscribe(&self, port: u16, app: &str, clusters: &str) {
        let catalog = &self.running.catalog;
        let connection = Connection {
            client_id: format!("1_10.0.0.5_{port}").into(),
            ip: "10.0.0.5".into(),
            port,
            client_ip: "10.0.0.5".into(),
            version: "Nacos-Java-Client:v2.5.1".into(),
            app: app.into(),
            namespace: "public".into(),
            labels: [].into(),
            opened_at: Timestamp::from_millis(0),
        };
        let interest = Interest {
            service: &ServiceKey::new("", "", "a").unwrap(),
            subscriber: Subscriber::Connection(catalog.connect(connection).unwrap()),
            clusters: Clusters::new(clusters),
            agent: "Nacos-Java-Client:v2.5.1",
            app,
        };
        catalog.subscribe(interest, &Outbox::default()).unwrap();
    }
}

#[tokio::test]
async fn clients_that_poll_are_listed_as_subscribers() {
    let server = Server::start();
    server
        .send(
            &format!("{LIST}&clientIP=10.0.0.7"),
            "",
            &[("user-agent", "Nacos-Python-Client:v0.1.16")],
        )
        .await;
    let subscribers = server
        .call("GET /v1/ns/service/subscribers?serviceName=a")
        .await
        .json();
    assert_eq!(subscribers["count"], 1);
    let one = &subscribers["subscribers"][0];
    assert_eq!(
        (&one["ip"], &one["agent"]),
        (&json!("127.0.0.1"), &json!("Nacos-Python-Client:v0.1.16"))
    );
}

/// A regression test: a client that named a different address in each call used up all subscriptions.
#[tokio::test]
async fn a_poller_is_the_peer_of_the_connection_and_has_a_limit_of_its_own() {
    let server = Server::start();
    for number in 0..300 {
        let call = format!(
            "{LIST}{number}&clientIP=10.0.{}.{}",
            number / 256,
            number % 256
        );
        let answer = server.call(&call).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let counts = server.running.catalog.counts();
    assert_eq!((counts.subscribers, counts.subscriptions), (1, 256));
}

/// As the reference lists them.
#[tokio::test]
async fn the_connections_of_one_application_on_one_machine_are_one_subscriber() {
    let server = Server::start();
    server.subscribe(50_001, "shop", "");
    server.subscribe(50_002, "shop", "east");
    server.subscribe(50_003, "stock", "");
    let answer = server.call(SUBSCRIBERS).await.json();
    let one = |app| {
        json!({
            "addrStr": "10.0.0.5", "agent": "Nacos-Java-Client:v2.5.1", "app": app, "ip": "10.0.0.5", "port": 0,
            "namespaceId": "public", "serviceName": "DEFAULT_GROUP@@a", "cluster": ""
        })
    };
    let expected = json!({ "subscribers": [one("shop"), one("stock")], "count": 2 });
    assert_eq!(answer, expected);
    let second = format!("{SUBSCRIBERS}&pageNo=2&pageSize=1");
    let answer = server.call(&second).await.json();
    assert_eq!(answer, json!({ "subscribers": [one("stock")], "count": 2 }));
}
