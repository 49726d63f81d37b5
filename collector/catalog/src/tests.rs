//! The behaviour of the catalog that faces rely on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rollcall_domain::catalog::{
    Clusters, ConnectionEnd, Endpoint, Kind, Publisher, Registration, Selection, ServiceKey,
    ServiceView, Settings, Subscriber,
};

use crate::{
    Beat, Catalog, Connection, Encoded, Form, Interest, Outbox, Subscription, testing::Running,
};

mod by_service;
mod crashes;
mod crowds;
mod durable;
mod format;
mod refused;
mod restart;
mod shared;
mod shares;

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).unwrap()
}

fn registration(ip: &str) -> Registration {
    Registration::new(Endpoint::new(ip, 80, "").unwrap(), Kind::Ephemeral)
}

fn connection() -> Connection {
    Connection {
        client_id: "1700000000000_127.0.0.1_4000".into(),
        ip: "127.0.0.1".into(),
        port: 4000,
        client_ip: "127.0.0.1".into(),
        version: "Nacos-Java-Client:v2.5.1".into(),
        app: "unknown".into(),
        namespace: "public".into(),
        labels: [].into(),
        opened_at: rollcall_domain::Timestamp::from_millis(0),
    }
}

fn encode(view: &ServiceView) -> Encoded {
    let ips: Vec<&str> = view.hosts.iter().map(|host| &*host.endpoint.ip).collect();
    Encoded {
        head: Bytes::from(ips.join(",")),
        tail: Bytes::new(),
    }
}

fn ips(catalog: &Catalog, name: &str) -> Vec<String> {
    let view = catalog.query(&key(name), &Selection::default()).unwrap();
    let hosts = view.hosts.iter().filter(|host| host.healthy);
    hosts.map(|host| host.endpoint.ip.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_beats_turns_unhealthy_and_is_removed() {
    let running = Running::start();
    let catalog = &running.catalog;
    let registered = registration("10.0.0.1");
    let publisher = registered.endpoint.publisher();
    catalog
        .register(&publisher, &key("a"), registered.clone())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(14)).await;
    let has_beaten = || {
        let instances = catalog.instances(&key("a")).unwrap();
        catalog.has_beaten(instances[0].reference)
    };
    assert!(!has_beaten(), "a registration is not a beat");
    let beat = catalog.beat(&key("a"), &registered.endpoint, None).unwrap();
    assert_eq!(beat, Beat::Renewed(Duration::from_secs(5)));
    assert!(has_beaten());
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ips(catalog, "a").is_empty());
    assert_eq!(catalog.instances(&key("a")).unwrap().len(), 1);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(catalog.instances(&key("a")).unwrap().is_empty());
    let beat = catalog.beat(&key("a"), &registered.endpoint, None).unwrap();
    assert_eq!(beat, Beat::Unknown(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_registration_renews_the_lease_and_changes_its_terms() {
    let running = Running::start();
    let catalog = &running.catalog;
    let mut registered = registration("10.0.0.1");
    let publisher = registered.endpoint.publisher();
    let mut register = |metadata: &[(&str, &str)]| {
        registered.metadata = Arc::new(metadata.iter().copied().collect());
        let done = catalog.register_ephemeral(&publisher, &key("a"), registered.clone());
        done.unwrap().is_new
    };
    assert!(register(&[]));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(!register(&[]));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"], "the lease is renewed");
    assert!(!register(&[("preserved.heart.beat.timeout", "25000")]));
    tokio::time::sleep(Duration::from_secs(24)).await;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1"], "its term is 25 s");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ips(catalog, "a").is_empty());
}

/// A change wakes the push loop only if a client waits for it.
#[tokio::test(start_paused = true)]
async fn only_a_service_with_subscriptions_has_a_push_due() {
    let running = Running::start();
    let catalog = &running.catalog;
    let change = |ip| {
        let changed = catalog.register_ephemeral(&Publisher::Operator, &key("a"), registration(ip));
        changed.unwrap();
        catalog.counts().due_pushes
    };
    assert_eq!(change("10.0.0.1"), 0);
    let outbox = Outbox::default();
    let subscription = subscribe(catalog, "a", &outbox);
    assert_eq!(change("10.0.0.2"), 1);
    catalog.unsubscribe(
        &subscription.service,
        &subscription.subscriber,
        &subscription.clusters,
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(change("10.0.0.3"), 0);
}

/// Subscribes a new connection.
fn subscribe(catalog: &Catalog, name: &str, outbox: &Outbox) -> Arc<Subscription> {
    let id = catalog.connect(connection()).unwrap();
    let interest = Interest {
        service: &key(name),
        subscriber: Subscriber::Connection(id),
        clusters: Clusters::default(),
        agent: "test",
        app: "unknown",
    };
    catalog.subscribe(interest, outbox).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_the_latest_state_once() {
    let running = Running::start();
    let catalog = &running.catalog;
    let outbox = Outbox::default();
    let subscription = subscribe(catalog, "a", &outbox);
    let publisher = Publisher::Operator;
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        catalog
            .register_ephemeral(&publisher, &key("a"), registration(ip))
            .unwrap();
    }
    let due = outbox.next().await;
    let selection = Selection::default();
    let body = catalog
        .push(&due, selection.clone(), Form(128), encode)
        .unwrap()
        .unwrap();
    assert_eq!(body.head, "10.0.0.1,10.0.0.2,10.0.0.3");
    subscription.sent(body.revision);
    // A second window closes: the sent list is still the latest.
    tokio::time::sleep(Duration::from_secs(1)).await;
    while let Some(due) = outbox.try_next() {
        let again = catalog
            .push(&due, selection.clone(), Form(128), encode)
            .unwrap();
        assert_eq!(again, None);
    }
    catalog
        .register_ephemeral(&publisher, &key("a"), registration("10.0.0.1"))
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        outbox.is_empty(),
        "a registration that changes nothing pushes nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_removes_what_it_still_owns() {
    let running = Running::start();
    let catalog = &running.catalog;
    let (one, other) = (
        catalog.connect(connection()).unwrap(),
        catalog.connect(connection()).unwrap(),
    );
    let batch = vec![registration("10.0.0.1"), registration("10.0.0.2")];
    catalog.batch_register(one, &key("a"), batch).unwrap();
    let taken = registration("10.0.0.2");
    catalog
        .register_ephemeral(&Publisher::Connection(other), &key("a"), taken)
        .unwrap();
    catalog.connection_closed(one, ConnectionEnd::Closed);
    assert_eq!(ips(catalog, "a"), ["10.0.0.2"]);
    let late = catalog.register_ephemeral(
        &Publisher::Connection(one),
        &key("a"),
        registration("10.0.0.9"),
    );
    assert!(late.is_err(), "a connection that ended registers nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_durable_is_there_after_a_restart() {
    let running = Running::start();
    let catalog = &running.catalog;
    let mut registered = registration("10.0.0.1");
    registered.kind = Kind::Persistent;
    catalog
        .register(&registered.endpoint.publisher(), &key("a"), registered)
        .await
        .unwrap();
    let settings = Settings {
        protect_threshold: 0.5,
        ..Settings::default()
    };
    catalog
        .create_service(&key("b"), settings.clone())
        .await
        .unwrap();
    let store = running.stop().await.unwrap();
    let running = Running::with(crate::Config::default(), store, Arc::new(crate::NoEvents));
    assert_eq!(ips(&running.catalog, "a"), ["10.0.0.1"]);
    assert_eq!(
        running.catalog.service(&key("b")).unwrap().settings,
        settings
    );
}
