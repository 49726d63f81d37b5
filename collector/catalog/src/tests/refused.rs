//! Refused and repeated changes leave the store and the memory equal, and changes of switches lose nothing.

use rollcall_domain::{
    Timestamp,
    catalog::{Checker, Cluster, Limits, Metadata, MetadataChange, Override},
};

use super::*;
use crate::{Config, Conflict, Error, Namespace, NoEvents, NotFound, store::Memory};

fn persistent(ip: &str) -> Registration {
    Registration {
        kind: Kind::Persistent,
        ..registration(ip)
    }
}

async fn restarted(running: Running) -> Running {
    let store = running.stop().await.unwrap();
    Running::with(Config::default(), store, Arc::new(NoEvents))
}

fn weight() -> Override {
    Override {
        weight: Some(7.0),
        ..Override::none(Timestamp::from_millis(0))
    }
}

/// Settings with the checker `NONE`.
fn unprobed() -> Settings {
    let mut cluster = Cluster::new("DEFAULT".into());
    cluster.checker = Checker::None;
    let mut settings = Settings::default();
    settings.clusters.insert("DEFAULT".into(), cluster);
    settings
}

#[tokio::test(start_paused = true)]
async fn the_health_that_an_operator_set_survives_another_registration_and_a_restart() {
    let running = Running::start();
    let catalog = &running.catalog;
    let mut registered = persistent("10.0.0.1");
    registered.instance_id = Some("one".into());
    let at = registered.endpoint.clone();
    catalog.create_service(&key("a"), unprobed()).await.unwrap();
    for registered in [registered, persistent("10.0.0.1")] {
        catalog
            .register(&at.publisher(), &key("a"), registered)
            .await
            .unwrap();
        catalog.set_health(&key("a"), &at, false).await.unwrap();
    }
    catalog
        .register(&at.publisher(), &key("a"), persistent("10.0.0.1"))
        .await
        .unwrap();
    let before = catalog.instance(&key("a"), &at, None).unwrap();
    let running = restarted(running).await;
    let after = running.catalog.instance(&key("a"), &at, None).unwrap();
    assert_eq!(after.registered, before.registered);
    assert!(!after.registered.healthy);
    assert_eq!(after.registered.instance_id.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gets_an_instance_while_it_is_deleted_keeps_its_settings() {
    let running = Running::start();
    let catalog = &running.catalog;
    catalog.create_service(&key("a"), unprobed()).await.unwrap();
    let registered = persistent("10.0.0.1");
    let (at, a) = (registered.endpoint.clone(), key("a"));
    let publisher = at.publisher();
    // Both are planned while the service is empty.
    let (first, second) = tokio::join!(
        catalog.register(&publisher, &a, registered),
        catalog.delete_service(&a)
    );
    assert!(first.is_ok());
    let refused = Error::Conflict(Conflict::ServiceNotEmpty).to_string();
    assert_eq!(second.unwrap_err().to_string(), refused);
    let running = restarted(running).await;
    let found = running.catalog.service(&key("a")).unwrap();
    assert_eq!((found.settings, found.is_explicit), (unprobed(), true));
}

#[tokio::test(start_paused = true)]
async fn a_stored_change_of_an_instance_without_room_is_undone() {
    let config = Config {
        limits: Limits {
            bytes: 6_000,
            ..Limits::default()
        },
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    let change = |ip, size| {
        let mut registered = persistent(ip);
        let large = "x".repeat(size);
        registered.metadata = Arc::new([("k", large)].into_iter().collect());
        let a = key("a");
        async move {
            let publisher = registered.endpoint.publisher();
            catalog.register(&publisher, &a, registered).await
        }
    };
    for ip in ["10.0.0.1", "10.0.0.2"] {
        change(ip, 1).await.unwrap();
    }
    // Both are planned while there is room for one.
    let (first, second) = tokio::join!(change("10.0.0.1", 3_000), change("10.0.0.2", 3_000));
    assert!(first.is_ok());
    assert!(matches!(second, Err(Error::Full(_))), "{second:?}");
    let size = |catalog: &Catalog, ip| {
        let at = Endpoint::new(ip, 80, "").unwrap();
        let found = catalog.instance(&key("a"), &at, None).unwrap();
        found.registered.metadata.bytes()
    };
    assert_eq!(size(catalog, "10.0.0.2"), 2);
    let set = Override {
        metadata: Some(MetadataChange::Merge(Arc::new(
            [("k", "x".repeat(3_000))].into_iter().collect(),
        ))),
        ..Override::none(Timestamp::from_millis(0))
    };
    let at = Endpoint::new("10.0.0.2", 80, "").unwrap();
    let refused = catalog.set_override(&key("a"), &at, set).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    let running = restarted(running).await;
    assert_eq!(size(&running.catalog, "10.0.0.1"), 3_001);
    assert_eq!(size(&running.catalog, "10.0.0.2"), 2);
}

/// A regression test: each override was checked against the limit before the others of its commit were applied, so all of them were
/// applied.
#[tokio::test(start_paused = true)]
async fn a_stored_override_without_room_is_undone() {
    let config = Config {
        limits: Limits {
            bytes: 6_000,
            ..Limits::default()
        },
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        let registered = persistent(ip);
        let publisher = registered.endpoint.publisher();
        let a = key("a");
        catalog.register(&publisher, &a, registered).await.unwrap();
    }
    let at = |ip| Endpoint::new(ip, 80, "").unwrap();
    let (a, third) = (key("a"), at("10.0.0.3"));
    catalog.set_override(&a, &third, weight()).await.unwrap();
    let before = catalog.overrides(&a);
    let large = |ip| {
        let metadata = Metadata::from_iter([("k", "x".repeat(3_000))]);
        let set = Override {
            metadata: Some(MetadataChange::Merge(Arc::new(metadata))),
            ..Override::none(Timestamp::from_millis(0))
        };
        async move { catalog.set_override(&key("a"), &at(ip), set).await }
    };
    // All are planned while there is room for one.
    let (first, refused, changed) =
        tokio::join!(large("10.0.0.1"), large("10.0.0.2"), large("10.0.0.3"));
    assert!(first.is_ok(), "{first:?}");
    for refused in [refused, changed] {
        assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    }
    let held = catalog.overrides(&a);
    assert_eq!(held.len(), 2);
    assert_eq!(held.get(1..), Some(&before[..]));
    let running = restarted(running).await;
    assert_eq!(running.catalog.overrides(&a), held);
}

/// The removal of an ephemeral instance does not go through the queue of the store, so it may happen between a plan and its
/// application.
#[tokio::test(start_paused = true)]
async fn a_stored_override_whose_instance_was_removed_meanwhile_is_undone() {
    let running = Running::start();
    let catalog = &running.catalog;
    let (a, registered) = (key("a"), registration("10.0.0.1"));
    let at = registered.endpoint.clone();
    let publisher = at.publisher();
    let registered = catalog.register_ephemeral(&publisher, &a, registered);
    registered.unwrap();
    let (service, endpoint) = (a.clone(), at.clone());
    // This is planned after the override, and before the override is applied.
    let removal = catalog.0.durably("another".to_owned(), move |shared| {
        let removed = shared.change(|registry, now, effects| {
            registry.deregister(&service, &endpoint, Kind::Ephemeral, (now, now), effects)
        });
        removed?;
        Ok(crate::shared::Plan::new(Vec::new(), |_| Ok(())))
    });
    let (set, removed) = tokio::join!(catalog.set_override(&a, &at, weight()), removal);
    removed.unwrap();
    assert!(matches!(set, Err(Error::NotFound(_))), "{set:?}");
    assert!(catalog.overrides(&a).is_empty());
    let running = restarted(running).await;
    assert!(running.catalog.overrides(&a).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_namespaces_holds_for_calls_at_the_same_time() {
    let config = Config {
        limits: Limits {
            namespaces: 1,
            ..Limits::default()
        },
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    let namespace = |id: &str| Namespace {
        id: id.to_owned(),
        name: id.to_owned(),
        description: String::new(),
    };
    let (first, second) = tokio::join!(
        catalog.create_namespace(namespace("x")),
        catalog.create_namespace(namespace("y"))
    );
    assert!(first.is_ok());
    assert!(matches!(second, Err(Error::Full(_))), "{second:?}");
    let again = catalog.create_namespace(namespace("x")).await.unwrap_err();
    assert!(matches!(again, Error::Conflict(Conflict::NamespaceExists)));
    let missing = catalog.update_namespace(namespace("y")).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound(NotFound::Namespace)));
}

#[tokio::test(start_paused = true)]
async fn changes_while_pushes_are_off_are_pushed_when_they_are_on_again() {
    let running = Running::start();
    let catalog = &running.catalog;
    let outbox = Outbox::default();
    let subscription = subscribe(catalog, "a", &outbox);
    let push = |due: &Subscription| {
        let body = catalog.push(due, Selection::default(), Form(128), encode);
        body.unwrap().map(|body| body.head)
    };
    let switch = |is_on| catalog.set_switches(move |switches| switches.push_enabled = is_on);
    switch(false).await.unwrap();
    let changed =
        catalog.register_ephemeral(&Publisher::Operator, &key("a"), registration("10.0.0.1"));
    changed.unwrap();
    assert_eq!(push(&*outbox.next().await), None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(outbox.is_empty());
    // The next run reports it too.
    let problem = catalog.switches_problem().borrow().clone().unwrap();
    assert!(problem.contains("pushEnabled=false"), "{problem}");
    let next = Running::with(Config::default(), running.store.clone(), Arc::new(NoEvents));
    assert_eq!(
        next.catalog.switches_problem().borrow().as_ref(),
        Some(&problem)
    );
    drop(next);
    switch(true).await.unwrap();
    assert_eq!(*catalog.switches_problem().borrow(), None);
    let due = outbox.next().await;
    assert_eq!(due.service, subscription.service);
    assert_eq!(push(&due).unwrap(), "10.0.0.1");
}
