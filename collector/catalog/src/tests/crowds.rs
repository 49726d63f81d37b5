//! Large numbers of services, instances and subscribers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use super::*;
use crate::{Change, Config, Error, NoEvents, store::Memory};

#[tokio::test(start_paused = true)]
async fn a_client_with_ten_thousand_services_vanishes_whole() {
    let running = Running::start();
    let catalog = &running.catalog;
    let id = catalog.connect(connection()).unwrap();
    let publisher = Publisher::Connection(id);
    for number in 0..10_000 {
        let key = key(&format!("s{number}"));
        catalog
            .register_ephemeral(&publisher, &key, registration("10.0.0.1"))
            .unwrap();
    }
    let page = catalog.services("", None, 9_990, 100).await.unwrap();
    assert_eq!((page.items.len(), page.total), (10, 10_000));
    catalog.connection_closed(id, ConnectionEnd::Closed);
    let counts = catalog.counts();
    assert_eq!(
        (
            counts.registry.ephemeral,
            counts.registry.publishers,
            counts.connections
        ),
        (0, 0, 0)
    );
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(
        catalog.counts().registry.services,
        0,
        "empty services end too"
    );
    assert_eq!(catalog.counts().registry.bytes, 0);
}

/// A listing of many services lets registrations through after every part of it.
#[tokio::test(start_paused = true)]
async fn a_listing_of_many_services_delays_a_registration_by_one_part() {
    let running = Running::start();
    let catalog = &running.catalog;
    let register = |name: String, ip: u8| {
        let registered = registration(&format!("10.0.0.{ip}"));
        let publisher = registered.endpoint.publisher();
        let registered = catalog.register_ephemeral(&publisher, &key(&name), registered);
        registered.unwrap();
    };
    (0..10_000).for_each(|number| register(format!("s{number}"), 1));
    let mut listing = Box::pin(catalog.services("", None, 0, 1));
    let mut context = Context::from_waker(Waker::noop());
    let mut between = 0;
    let page = loop {
        // Each poll reads one part.
        match listing.as_mut().poll(&mut context) {
            Poll::Ready(page) => break page.unwrap(),
            Poll::Pending => {
                register("beside".to_owned(), between);
                between += 1;
            }
        }
    };
    assert!((10_000..=10_001).contains(&page.total), "{}", page.total);
    assert!(
        between >= 19,
        "{between} registrations during a listing of 20 parts"
    );
}

/// Only a few listings run at the same time, for any number of clients.
#[tokio::test(start_paused = true)]
async fn listings_take_turns() {
    let running = Running::start();
    let catalog = &running.catalog;
    let registered = registration("10.0.0.1");
    for number in 0..1_000 {
        let publisher = registered.endpoint.publisher();
        let key = key(&format!("s{number}"));
        catalog
            .register_ephemeral(&publisher, &key, registered.clone())
            .unwrap();
    }
    let begun = AtomicUsize::new(0);
    let listings = (0..50).map(|_| {
        let mut is_first = true;
        let begun = &begun;
        Box::pin(catalog.services_where("", None, (0, 1), move |_| {
            begun.fetch_add(std::mem::take(&mut is_first).into(), Relaxed);
            true
        }))
    });
    let mut listings: Vec<_> = listings.collect();
    let mut context = Context::from_waker(Waker::noop());
    for listing in &mut listings {
        assert!(listing.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(begun.load(Relaxed), 2);
    for listing in listings {
        assert_eq!(listing.await.unwrap().total, 1_000);
    }
}

#[tokio::test(start_paused = true)]
async fn subscribers_that_take_nothing_hold_one_entry_each() {
    let running = Running::start();
    let catalog = &running.catalog;
    let outbox = Outbox::default();
    for port in 1..=2_000 {
        let interest = Interest {
            service: &key("a"),
            subscriber: Subscriber::Udp {
                ip: "10.0.0.9".into(),
                port,
            },
            clusters: Clusters::default(),
            agent: "test",
            app: "",
        };
        catalog.subscribe(interest, &outbox).unwrap();
    }
    for number in 0..10_u8 {
        let registered = registration(&format!("10.0.0.{number}"));
        catalog
            .register_ephemeral(&Publisher::Operator, &key("a"), registered)
            .unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(outbox.len(), 2_000);
    let mut encoded = 0;
    while let Some(due) = outbox.try_next() {
        let count = |view: &ServiceView| {
            encoded += 1;
            encode(view)
        };
        let body = catalog
            .push(&due, Selection::default(), Form(64), count)
            .unwrap()
            .unwrap();
        due.sent(body.revision);
    }
    assert_eq!(encoded, 1, "the list is encoded once for all of them");
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(
        catalog.counts().subscriptions,
        0,
        "they did not subscribe again"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_change_is_pushed_at_once_and_later_ones_once_in_a_window() {
    let running = Running::start();
    let catalog = &running.catalog;
    let outbox = Outbox::default();
    let interest = Interest {
        service: &key("a"),
        subscriber: Subscriber::Connection(catalog.connect(connection()).unwrap()),
        clusters: Clusters::default(),
        agent: "test",
        app: "",
    };
    catalog.subscribe(interest, &outbox).unwrap();
    let start = tokio::time::Instant::now();
    let change = |number: u8| {
        let registered = registration(&format!("10.0.0.{number}"));
        catalog
            .register_ephemeral(&Publisher::Operator, &key("a"), registered)
            .unwrap();
    };
    change(1);
    outbox.next().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    for number in 2..10 {
        change(number);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    outbox.next().await;
    assert_eq!(start.elapsed(), Config::default().push_window);
    assert!(outbox.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn every_limit_is_refused_by_its_key() {
    let limits = rollcall_domain::catalog::Limits {
        connections: 1,
        subscriptions: 1,
        ..Default::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    let id = catalog.connect(connection()).unwrap();
    let error = catalog.connect(connection()).unwrap_err().to_string();
    assert!(
        error.ends_with("(nacos.default.max_connections = 1)"),
        "{error}"
    );
    let outbox = Outbox::default();
    let subscribe = |name: &str| {
        let interest = Interest {
            service: &key(name),
            subscriber: Subscriber::Connection(id),
            clusters: Clusters::default(),
            agent: "",
            app: "",
        };
        catalog.subscribe(interest, &outbox)
    };
    subscribe("a").unwrap();
    let error = subscribe("b").unwrap_err();
    assert!(matches!(&error, Error::Full(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("(nacos.default.max_subscriptions = 1)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn services_that_appear_and_vanish_are_announced() {
    let running = Running::start();
    let catalog = &running.catalog;
    let mut changes = catalog.service_changes();
    let id = catalog.connect(connection()).unwrap();
    catalog
        .register_ephemeral(
            &Publisher::Connection(id),
            &key("a"),
            registration("10.0.0.1"),
        )
        .unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Appeared(key("a")));
    catalog.connection_closed(id, ConnectionEnd::Closed);
    assert_eq!(changes.recv().await.unwrap(), Change::Vanished(key("a")));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_later_connection_has_taken_stays_with_it() {
    let running = Running::start();
    let catalog = &running.catalog;
    let first = catalog.connect(connection()).unwrap();
    let second = catalog.connect(connection()).unwrap();
    catalog.connection_closed(first, ConnectionEnd::Closed);
    let name = &connection().client_id;
    assert_eq!(
        catalog.connection_named(name).map(|(id, _)| id),
        Some(second)
    );
    catalog.connection_closed(second, ConnectionEnd::Closed);
    assert!(catalog.connection_named(name).is_none());
}
