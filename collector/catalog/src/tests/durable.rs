//! Durable changes, and stores that fail.

use std::sync::Arc;

use rollcall_domain::{
    Timestamp,
    catalog::{Checker, Cluster, Limits, Override, Patch},
};

use super::*;
use crate::{
    Config, Conflict, Error, Namespace, NoEvents, NotFound,
    store::{Memory, Store as _, Table},
};

fn persistent(ip: &str) -> Registration {
    Registration {
        kind: Kind::Persistent,
        ..registration(ip)
    }
}

fn rows(store: &Memory, table: Table) -> usize {
    let rows = store.load().unwrap();
    rows.iter().filter(|row| row.table == table).count()
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_refuses_durable_changes_only() {
    let running = Running::start();
    let catalog = &running.catalog;
    running.store.fail(Some("no space left"));
    let registered = persistent("10.0.0.1");
    let publisher = registered.endpoint.publisher();
    let refused = catalog
        .register(&publisher, &key("a"), registered.clone())
        .await;
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, Error::Store(_)) && error.is_retryable(),
        "{error:?}"
    );
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(
        catalog.service(&key("a")).is_none(),
        "memory is not ahead of the store"
    );
    catalog
        .register(&publisher, &key("a"), registration("10.0.0.2"))
        .await
        .unwrap();
    assert_eq!(
        ips(catalog, "a"),
        ["10.0.0.2"],
        "ephemeral instances need no store"
    );
    assert!(catalog.counts().failed_commits > 0);
    running.store.fail(None);
    catalog
        .register(&publisher, &key("a"), registered)
        .await
        .unwrap();
    assert_eq!(ips(catalog, "a"), ["10.0.0.1", "10.0.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn settings_of_operators_survive_a_restart() {
    let running = Running::start();
    let catalog = &running.catalog;
    let registered = persistent("10.0.0.1");
    let at = registered.endpoint.clone();
    catalog
        .register(&at.publisher(), &key("a"), registered)
        .await
        .unwrap();
    let offline = Override {
        enabled: Some(false),
        ..Override::none(Timestamp::from_millis(0))
    };
    catalog.set_override(&key("a"), &at, offline).await.unwrap();
    let weight = Override {
        weight: Some(7.0),
        ..Override::none(Timestamp::from_millis(0))
    };
    catalog.set_override(&key("a"), &at, weight).await.unwrap();
    let patch = Patch {
        app: Some("shop".into()),
        ..Patch::default()
    };
    catalog.patch(&key("a"), &at, None, patch).await.unwrap();
    let mut cluster = Cluster::new("DEFAULT".into());
    cluster.checker = Checker::None;
    catalog
        .update_cluster(&key("a"), cluster.clone())
        .await
        .unwrap();
    assert!(catalog.set_health(&key("a"), &at, false).await.unwrap());
    catalog
        .set_switches(|switches| switches.client_beat_interval = 9_000)
        .await
        .unwrap();
    let team = Namespace {
        id: "team".to_owned(),
        name: "Team".to_owned(),
        description: String::new(),
    };
    catalog.create_namespace(team.clone()).await.unwrap();
    catalog
        .keep("secret", Some(b"s3cret".to_vec()))
        .await
        .unwrap();
    let running = Running::with(
        Config::default(),
        running.stop().await.unwrap(),
        Arc::new(NoEvents),
    );
    let catalog = &running.catalog;
    let found = catalog.instance(&key("a"), &at, None).unwrap();
    assert_eq!((found.enabled(), found.weight()), (false, 7.0));
    assert_eq!(found.registered.app.as_deref(), Some("shop"));
    assert!(!found.registered.healthy);
    assert_eq!(catalog.service(&key("a")).unwrap().clusters, [cluster]);
    assert_eq!(catalog.switches().client_beat_interval, 9_000);
    assert_eq!(catalog.namespace("team"), Some(team));
    assert_eq!(catalog.kept("secret").as_deref(), Some(&b"s3cret"[..]));
    catalog.clear_override(&key("a"), &at).await.unwrap();
    assert_eq!(rows(&running.store, Table::Override), 0);
}

#[tokio::test(start_paused = true)]
async fn a_removed_instance_leaves_the_store() {
    let running = Running::start();
    let catalog = &running.catalog;
    let registered = persistent("10.0.0.1");
    let at = registered.endpoint.clone();
    catalog
        .register(&at.publisher(), &key("a"), registered)
        .await
        .unwrap();
    catalog
        .update_service(&key("a"), |settings| settings.protect_threshold = 0.3)
        .await
        .unwrap();
    let refused = catalog.delete_service(&key("a")).await;
    assert!(matches!(
        refused,
        Err(Error::Conflict(Conflict::ServiceNotEmpty))
    ));
    // Deregistered as the other kind: clients of 1.x mix them up.
    assert!(
        catalog
            .deregister(&key("a"), &at, Kind::Ephemeral)
            .await
            .unwrap()
    );
    catalog.delete_service(&key("a")).await.unwrap();
    assert_eq!(
        rows(&running.store, Table::Instance) + rows(&running.store, Table::Service),
        0
    );
    let again = catalog.delete_service(&key("a")).await;
    assert!(matches!(again, Err(Error::NotFound(NotFound::Service))));
}

#[tokio::test(start_paused = true)]
async fn concurrent_changes_of_one_row_are_applied_one_after_the_other() {
    let running = Running::start();
    let catalog = &running.catalog;
    catalog
        .create_service(&key("a"), Settings::default())
        .await
        .unwrap();
    let update = |name: &'static str| {
        let cluster = Cluster::new(name.into());
        async move { catalog.update_cluster(&key("a"), cluster).await.unwrap() }
    };
    tokio::join!(update("x"), update("y"), update("z"));
    assert_eq!(catalog.service(&key("a")).unwrap().clusters.len(), 3);
    let settings = Settings::default;
    let b = key("b");
    let (first, second) = tokio::join!(
        catalog.create_service(&b, settings()),
        catalog.create_service(&b, settings())
    );
    assert!(first.is_ok() && second.is_err(), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_change_without_room_is_undone() {
    let limits = Limits {
        services: 1,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    // Both are planned while there is room for one.
    let (one, other) = (persistent("10.0.0.1"), persistent("10.0.0.1"));
    let publisher = one.endpoint.publisher();
    let (a, b) = (key("a"), key("b"));
    let (first, second) = tokio::join!(
        catalog.register(&publisher, &a, one),
        catalog.register(&publisher, &b, other)
    );
    assert!(first.is_ok());
    assert!(matches!(second, Err(Error::Full(_))), "{second:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rows(&running.store, Table::Instance), 1);
}
