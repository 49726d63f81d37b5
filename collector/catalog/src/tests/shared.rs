//! Collectors that share a store: each applies the changes of the others.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    Timestamp,
    catalog::{Checker, Cluster, Override},
};
use rollcall_etcd::testing::{PATIENCE, Process};
use rollcall_keyed::etcd::Etcd;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Config, Error, Namespace, NoEvents, open,
    store::{self, Memory, Stores},
    testing::TestClock,
};

/// One collector's catalog.
struct Member {
    catalog: Catalog,
    _workers: JoinSet<Result<(), store::Error>>,
}

async fn member(server: &Arc<Process>) -> Member {
    let store = Arc::clone(server);
    let opening = tokio::task::spawn_blocking(move || {
        let runtime = store.runtime().handle().clone();
        let durable = Etcd::open(store.client(), runtime, "catalog").unwrap();
        let memory = Arc::new(Memory::default());
        let stores = Stores {
            durable: Arc::new(durable),
            roster: Some(Arc::clone(&memory) as _),
            journal: memory,
            is_lost: false,
            peers: None,
        };
        let config = Config {
            warm_up: Duration::ZERO,
            override_term: Duration::ZERO,
            ..Config::default()
        };
        open(
            config,
            Arc::new(TestClock::start()),
            stores,
            Arc::new(NoEvents),
        )
        .unwrap()
    });
    let (catalog, workers) = opening.await.unwrap();
    let mut running = JoinSet::new();
    running.spawn(workers.run(CancellationToken::new()));
    Member {
        catalog,
        _workers: running,
    }
}

/// Waits until a member has applied the change of another one.
async fn eventually(what: &str, mut is_applied: impl FnMut() -> bool) {
    let applied = async {
        while !is_applied() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, applied).await.expect(what);
}

fn persistent(ip: &str) -> Registration {
    Registration {
        kind: Kind::Persistent,
        ..registration(ip)
    }
}

fn offline() -> Override {
    Override {
        enabled: Some(false),
        ..Override::none(Timestamp::from_millis(0))
    }
}

/// Runs a test with an etcd server of its own. Its start and its end block, so each has a thread for blocking work.
async fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Arc<Process>) -> F) {
    let start = tokio::task::spawn_blocking(|| Arc::new(Process::start()));
    let server = start.await.unwrap();
    test(Arc::clone(&server)).await;
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_kind_of_row_that_one_collector_changes_is_applied_by_the_other() {
    with_server(|server| async move {
        let (one, other) = (member(&server).await, member(&server).await);
        let (a, registered) = (key("a"), persistent("10.0.0.1"));
        let at = registered.endpoint.clone();
        let one = &one.catalog;
        one.register(&at.publisher(), &a, registered).await.unwrap();
        eventually("an instance", || ips(&other.catalog, "a") == ["10.0.0.1"]).await;
        let mut cluster = Cluster::new("DEFAULT".into());
        cluster.checker = Checker::None;
        one.update_cluster(&a, cluster).await.unwrap();
        eventually("settings", || {
            other.catalog.service(&a).unwrap().clusters.len() == 1
        })
        .await;
        one.set_health(&a, &at, false).await.unwrap();
        eventually("a health that was set", || {
            ips(&other.catalog, "a").is_empty()
        })
        .await;
        one.set_override(&a, &at, offline()).await.unwrap();
        let enabled = || other.catalog.instance(&a, &at, None).unwrap().enabled();
        eventually("an override", || !enabled()).await;
        one.clear_override(&a, &at).await.unwrap();
        eventually("the end of an override", enabled).await;
        one.set_switches(|switches| switches.client_beat_interval = 9_000)
            .await
            .unwrap();
        let interval = || other.catalog.switches().client_beat_interval;
        eventually("switches", || interval() == 9_000).await;
        let team = Namespace {
            id: "team".to_owned(),
            name: "Team".to_owned(),
            description: String::new(),
        };
        one.create_namespace(team).await.unwrap();
        eventually("a namespace", || other.catalog.namespace("team").is_some()).await;
        one.delete_namespace("team").await.unwrap();
        eventually("the end of a namespace", || {
            other.catalog.namespace("team").is_none()
        })
        .await;
        one.keep("secret", Some(b"s".to_vec())).await.unwrap();
        eventually("a value", || other.catalog.kept("secret").is_some()).await;
        one.deregister(&a, &at, Kind::Persistent).await.unwrap();
        eventually("a removal", || {
            other.catalog.instances(&a).unwrap().is_empty()
        })
        .await;
        one.delete_service(&a).await.unwrap();
        eventually("the end of a service", || {
            other.catalog.service(&a).is_none()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_durable_outlives_every_collector() {
    with_server(|server| async move {
        let first = member(&server).await;
        let registered = persistent("10.0.0.1");
        let catalog = &first.catalog;
        catalog
            .register(&registered.endpoint.publisher(), &key("a"), registered)
            .await
            .unwrap();
        drop(first);
        let second = member(&server).await;
        assert_eq!(ips(&second.catalog, "a"), ["10.0.0.1"]);
    })
    .await;
}

#[tokio::test]
async fn ephemeral_instances_and_their_overrides_stay_with_their_collector() {
    with_server(|server| async move {
        let (one, other) = (member(&server).await, member(&server).await);
        let (a, registered) = (key("a"), registration("10.0.0.1"));
        let at = registered.endpoint.clone();
        one.catalog
            .register_ephemeral(&at.publisher(), &a, registered)
            .unwrap();
        one.catalog.set_override(&a, &at, offline()).await.unwrap();
        // This change follows the override in its collector's queue: if the override were shared, the other collector would
        // have applied it before this change.
        one.catalog.keep("mark", Some(Vec::new())).await.unwrap();
        eventually("the mark", || other.catalog.kept("mark").is_some()).await;
        assert!(other.catalog.service(&a).is_none());
        let instance = one.catalog.instance(&a, &at, None).unwrap();
        assert!(!instance.enabled());
        let third = member(&server).await;
        assert!(third.catalog.overrides(&a).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_service_that_another_collector_deletes_keeps_the_ephemeral_instances_of_this_one() {
    with_server(|server| async move {
        let (one, other) = (member(&server).await, member(&server).await);
        let a = key("a");
        let settings = Settings {
            protect_threshold: 0.5,
            ..Settings::default()
        };
        one.catalog.create_service(&a, settings).await.unwrap();
        eventually("a service", || other.catalog.service(&a).is_some()).await;
        let registered = registration("10.0.0.1");
        let publisher = registered.endpoint.publisher();
        other
            .catalog
            .register_ephemeral(&publisher, &a, registered)
            .unwrap();
        one.catalog.delete_service(&a).await.unwrap();
        let threshold = || {
            other
                .catalog
                .service(&a)
                .unwrap()
                .settings
                .protect_threshold
        };
        eventually("the removal of its settings", || threshold() == 0.0).await;
        assert_eq!(ips(&other.catalog, "a"), ["10.0.0.1"]);
    })
    .await;
}

#[tokio::test]
async fn of_two_concurrent_changes_of_one_row_each_is_applied_or_refused_on_both() {
    with_server(|server| async move {
        let (one, other) = (member(&server).await, member(&server).await);
        let a = key("a");
        let mut refused = 0;
        for round in 0..20_u16 {
            let set = |catalog: &Catalog, threshold: f64| {
                let (catalog, a) = (catalog.clone(), a.clone());
                let settings = Settings {
                    protect_threshold: threshold,
                    ..Settings::default()
                };
                async move {
                    match catalog.create_service(&a, settings.clone()).await {
                        Err(Error::Conflict(_)) => {
                            catalog.update_service(&a, |it| *it = settings).await
                        }
                        created => created,
                    }
                }
            };
            let (low, high) = (f64::from(round) / 100.0, f64::from(round) / 100.0 + 0.5);
            let (first, second) = tokio::join!(set(&one.catalog, low), set(&other.catalog, high));
            for result in [first, second] {
                if let Err(error) = result {
                    assert!(error.is_retryable(), "{error}");
                    refused += 1;
                }
            }
            let threshold =
                |catalog: &Catalog| Some(catalog.service(&a)?.settings.protect_threshold);
            eventually("both agree", || {
                let both = [&one, &other].map(|member| threshold(&member.catalog));
                both[0] == both[1] && [Some(low), Some(high)].contains(&both[0])
            })
            .await;
        }
        assert!(refused <= 20, "one of two wins");
    })
    .await;
}
