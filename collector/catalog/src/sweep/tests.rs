//! Sweeps beside a slow store, and the rows that they leave.

use std::sync::Arc;

use rollcall_domain::{
    Timestamp,
    catalog::{Clusters, Endpoint, Override, Publisher, Registration, ServiceKey, Subscriber},
};
use tokio::time::{advance, timeout};

use super::*;
use crate::{
    Config, Interest, NoEvents, Outbox, open,
    rows::{self, OverrideRow},
    store::{Memory, Store as _, Table},
    testing::{Running, TestClock},
};

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).unwrap()
}

fn offline() -> Override {
    Override {
        enabled: Some(false),
        ..Override::none(Timestamp::from_millis(0))
    }
}

/// The keys of the stored overrides.
fn overridden(store: &Memory) -> Vec<String> {
    let rows = store.load().unwrap().into_iter();
    let rows = rows.filter(|row| row.table == Table::Override);
    rows.map(|row| row.key).collect()
}

/// A regression test: the loop that judges leases waited for the store.
#[tokio::test(start_paused = true)]
async fn a_sweep_does_not_wait_for_the_store() {
    let store = Memory::default();
    let clock = Arc::new(TestClock::start());
    // The workers do not run, so no change is ever made durable.
    let opened = open(Config::default(), clock, store.into(), Arc::new(NoEvents));
    let (catalog, _workers) = opened.unwrap();
    let shared = &catalog.0;
    let at = Endpoint::new("10.0.0.1", 80, "").unwrap();
    shared.change(|registry, now, _| {
        registry
            .restore_override(&key("a"), &at, offline(), now)
            .unwrap();
    });
    advance(shared.config.override_term).await;
    let swept = timeout(Duration::from_secs(1), end(shared)).await;
    assert!(swept.is_ok(), "the sweep waits for the store");
    assert!(catalog.overrides(&key("a")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_row_of_an_override_that_was_set_again_stays() {
    let store = Memory::default();
    let running = Running::with(Config::default(), store, Arc::new(NoEvents));
    let catalog = &running.catalog;
    let at = Endpoint::new("10.0.0.1", 80, "").unwrap();
    let put = |at: &Endpoint| {
        let text = rows::instance_text(&key("a"), at);
        rows::put(Table::Override, text, &OverrideRow::of(&offline())).unwrap()
    };
    let other = Endpoint::new("10.0.0.2", 80, "").unwrap();
    running.store.commit(&[put(&at), put(&other)]).unwrap();
    let publisher = Publisher::Operator;
    let registration = Registration::new(at.clone(), rollcall_domain::catalog::Kind::Ephemeral);
    catalog
        .register_ephemeral(&publisher, &key("a"), registration)
        .unwrap();
    catalog
        .set_override(&key("a"), &at, offline())
        .await
        .unwrap();
    let ended = vec![(key("a"), at.clone()), (key("a"), other)];
    catalog.0.ended.add(ended);
    // The row that is removed is the later one of the two.
    while overridden(&running.store).len() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        overridden(&running.store),
        [rows::instance_text(&key("a"), &at)]
    );
}

/// A regression test: setting and removing an override shared a commit, so the removal was planned before the override was set, and
/// was written last.
#[tokio::test(start_paused = true)]
async fn the_row_of_an_override_that_is_set_just_before_its_removal_stays() {
    let running = Running::start();
    let catalog = &running.catalog;
    let (a, at) = (key("a"), Endpoint::new("10.0.0.1", 80, "").unwrap());
    let other = Endpoint::new("10.0.0.2", 80, "").unwrap();
    let put = |at: &Endpoint| {
        let text = rows::instance_text(&a, at);
        rows::put(Table::Override, text, &OverrideRow::of(&offline())).unwrap()
    };
    running.store.commit(&[put(&at), put(&other)]).unwrap();
    let registration = Registration::new(at.clone(), rollcall_domain::catalog::Kind::Ephemeral);
    catalog
        .register_ephemeral(&Publisher::Operator, &a, registration)
        .unwrap();
    let ended = vec![(a.clone(), at.clone()), (a.clone(), other)];
    let remove = async {
        catalog.0.ended.add(ended);
        super::rows::remove(&catalog.0).await;
    };
    let (set, ()) = tokio::join!(catalog.set_override(&a, &at, offline()), remove);
    set.unwrap();
    assert_eq!(overridden(&running.store), [rows::instance_text(&a, &at)]);
}

#[tokio::test(start_paused = true)]
async fn subscribers_that_do_not_renew_are_ended_in_parts() {
    let running = Running::start();
    let catalog = &running.catalog;
    let subscribe = |subscriber: Subscriber, name: &str| {
        let interest = Interest {
            service: &key(name),
            subscriber,
            clusters: Clusters::default(),
            agent: "",
            app: "",
        };
        catalog.subscribe(interest, &Outbox::default()).unwrap();
    };
    let poller = |number: usize| Subscriber::Poller {
        ip: number.to_string().into(),
    };
    for number in 0..3 * CHUNK {
        subscribe(poller(number), "a");
        subscribe(poller(number), "b");
    }
    let term = catalog.0.config.subscriber_term;
    advance(term / 2).await;
    subscribe(poller(7), "b");
    advance(term / 2 + Duration::from_millis(1)).await;
    end_subscribers(&catalog.0).await;
    assert_eq!(catalog.counts().subscriptions, 1);
    assert_eq!(catalog.subscriptions_of(&poller(7)).len(), 1);
}
