//! A crash of the process or of the machine: acknowledged changes are present in the next run.

use std::sync::Arc;

use rollcall_domain::catalog::Patch;

use super::*;
use crate::{
    Config, NoEvents,
    store::{Change, Journal as _, Memory, Row, Store as _, Table},
};

fn on(store: Memory) -> Running {
    Running::with(Config::default(), store, Arc::new(NoEvents))
}

/// Ends a run at once, without further writes, and starts the next one.
fn crash(running: Running) -> Running {
    let store = running.store.clone();
    drop(running);
    on(store)
}

async fn millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn register(catalog: &Catalog, ip: &str) {
    let registered = registration(ip);
    catalog
        .register_ephemeral(&registered.endpoint.publisher(), &key("a"), registered)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_instance_of_a_service_survives_a_crash_right_after_it() {
    for running_for in [0, 1, 1200] {
        let running = Running::start();
        millis(running_for).await;
        register(&running.catalog, "10.0.0.1");
        let running = crash(running);
        assert!(running.catalog.is_complete());
        assert_eq!(ips(&running.catalog, "a"), ["10.0.0.1"]);
        // The next run restores it too, this time from the row.
        millis(600).await;
        assert!(running.store.lines().unwrap().is_empty());
        let running = crash(running);
        assert_eq!(ips(&running.catalog, "a"), ["10.0.0.1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_change_right_before_a_crash_survives_it() {
    let running = Running::start();
    let catalog = &running.catalog;
    let id = catalog.connect(connection()).unwrap();
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        register(catalog, ip);
    }
    let of_connection = vec![registration("10.0.0.4"), registration("10.0.0.5")];
    catalog
        .batch_register(id, &key("a"), of_connection)
        .unwrap();
    millis(600).await;
    let endpoint = |ip: &str| registration(ip).endpoint;
    let patch = Patch {
        weight: Some(7.0),
        ..Patch::default()
    };
    let (first, second) = (endpoint("10.0.0.1"), endpoint("10.0.0.2"));
    catalog.patch(&key("a"), &first, None, patch).await.unwrap();
    catalog
        .deregister(&key("a"), &second, Kind::Ephemeral)
        .await
        .unwrap();
    catalog.connection_closed(id, ConnectionEnd::Closed);
    register(catalog, "10.0.0.5");
    let running = crash(running);
    let catalog = &running.catalog;
    assert_eq!(ips(catalog, "a"), ["10.0.0.1", "10.0.0.3", "10.0.0.5"]);
    let found = catalog.instance(&key("a"), &first, None).unwrap();
    assert!((found.weight() - 7.0).abs() < f64::EPSILON);
    // Instances whose clients do not return are removed, like those of a row.
    millis(31_000).await;
    assert!(catalog.instances(&key("a")).unwrap().is_empty());
}

/// Compares runs that end at any moment with a list of the acknowledged changes.
#[tokio::test(start_paused = true)]
async fn no_moment_of_a_crash_loses_what_was_acknowledged() {
    let mut running = Running::start();
    let mut expected = std::collections::BTreeSet::new();
    let mut seed: u64 = 7;
    let mut next = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for step in 0..2000 {
        let ip = format!("10.0.0.{}", next(9) + 1);
        if next(3) > 0 {
            register(&running.catalog, &ip);
            expected.insert(ip);
        } else {
            let endpoint = registration(&ip).endpoint;
            let (catalog, service) = (&running.catalog, key("a"));
            let removed = catalog.deregister(&service, &endpoint, Kind::Ephemeral);
            assert_eq!(removed.await.unwrap(), expected.remove(&ip));
        }
        let fails = (next(4) == 0).then_some("no room");
        running.store.fail(fails);
        millis(next(300)).await;
        running.store.fail(None);
        if next(5) == 0 {
            running = crash(running);
            let found = ips(&running.catalog, "a");
            assert_eq!(found, Vec::from_iter(expected.clone()), "step {step}");
        }
        for ip in &expected {
            let endpoint = registration(ip).endpoint;
            running.catalog.beat(&key("a"), &endpoint, None).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_roster_is_not_written_the_journal_has_the_changes() {
    let running = Running::start();
    register(&running.catalog, "10.0.0.1");
    millis(600).await;
    running.store.fail(Some("no room"));
    register(&running.catalog, "10.0.0.2");
    millis(1200).await;
    register(&running.catalog, "10.0.0.3");
    running.store.fail(None);
    let running = crash(running);
    assert!(running.catalog.is_complete());
    assert_eq!(
        ips(&running.catalog, "a"),
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_misses_a_change_makes_the_next_run_wait() {
    let running = Running::start();
    register(&running.catalog, "10.0.0.1");
    millis(600).await;
    running.store.append(b"?\n").unwrap();
    let running = crash(running);
    assert!(!running.catalog.is_complete());
    millis(15_000).await;
    assert_eq!(ips(&running.catalog, "a").len(), 1);
}

/// A regression test: a full disk accepts neither a line nor a commit. The mark was a line too, so the next run answered empty
/// lists.
#[tokio::test(start_paused = true)]
async fn a_full_disk_makes_the_next_run_wait_and_is_reported_until_there_is_room() {
    for ends_orderly in [true, false] {
        let running = Running::start();
        let problem = running.catalog.store_problem();
        register(&running.catalog, "10.0.0.1");
        millis(600).await;
        running.store.fail(Some("no room"));
        running.store.fill(true);
        register(&running.catalog, "10.0.0.2");
        millis(10_000).await;
        assert!(running.catalog.counts().failed_commits > 0);
        let reason = problem.borrow().clone().unwrap();
        for part in ["no room", "the next start refuses reads"] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
        let store = running.store.clone();
        if ends_orderly {
            running.stop().await.unwrap();
        } else {
            drop(running);
        }
        store.fail(None);
        store.fill(false);
        let running = on(store);
        assert!(!running.catalog.is_complete());
        // A commit during this time does not contain the missing instance either.
        millis(1200).await;
        let running = crash(running);
        assert!(!running.catalog.is_complete());
        millis(30_000).await;
        assert!(running.catalog.is_complete());
        assert!(crash(running).catalog.is_complete());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_accepts_commits_again_is_reported_without_another_change() {
    let running = Running::start();
    millis(600).await;
    let mut problem = running.catalog.store_problem();
    running.store.fail(Some("no room"));
    running.store.fill(true);
    let mut persistent = registration("10.0.0.1");
    persistent.kind = Kind::Persistent;
    let (publisher, service) = (persistent.endpoint.publisher(), key("a"));
    let refused = running.catalog.register(&publisher, &service, persistent);
    refused.await.unwrap_err();
    assert!(problem.borrow_and_update().is_some());
    running.store.fail(None);
    running.store.fill(false);
    problem.wait_for(Option::is_none).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_is_shortened_by_the_next_commit_or_makes_the_next_run_wait() {
    for crashes_early in [true, false] {
        let config = Config {
            journal: 1000,
            ..Config::default()
        };
        let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
        millis(600).await;
        running.store.fail(Some("no room"));
        for last in 1..=20 {
            register(&running.catalog, &format!("10.0.0.{last}"));
        }
        let held = running.catalog.counts().journal_bytes;
        assert_eq!(held, running.store.lines().unwrap().len());
        assert!((500..=1002).contains(&held), "{held} bytes");
        running.store.fail(None);
        if crashes_early {
            assert!(!crash(running).catalog.is_complete());
            continue;
        }
        millis(1200).await;
        assert_eq!(running.catalog.counts().journal_bytes, 0);
        let running = crash(running);
        assert!(running.catalog.is_complete());
        assert_eq!(ips(&running.catalog, "a").len(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_cut_off_and_lines_that_a_row_contains_change_nothing() {
    let running = Running::start();
    register(&running.catalog, "10.0.0.1");
    let lines = running.store.lines().unwrap();
    register(&running.catalog, "10.0.0.1");
    let endpoint = registration("10.0.0.1").endpoint;
    running
        .catalog
        .deregister(&key("a"), &endpoint, Kind::Ephemeral)
        .await
        .unwrap();
    register(&running.catalog, "10.0.0.2");
    millis(600).await;
    // After a crash of the machine the file may have its earlier contents.
    running.store.append(&lines).unwrap();
    running.store.append(br#"{"number":99,"ser"#).unwrap();
    let running = crash(running);
    assert!(running.catalog.is_complete());
    assert_eq!(ips(&running.catalog, "a"), ["10.0.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_older_than_a_run_of_an_earlier_release_is_dropped() {
    let running = Running::start();
    millis(600).await;
    register(&running.catalog, "10.0.0.1");
    // An earlier release stores no number, and adds nothing to the journal.
    let known = Change::Put(Row {
        table: Table::Roster,
        key: String::new(),
        value: Vec::new(),
    });
    running.store.commit(&[known]).unwrap();
    let running = crash(running);
    assert!(running.catalog.is_complete());
    assert!(ips(&running.catalog, "a").is_empty());
    register(&running.catalog, "10.0.0.2");
    millis(600).await;
    assert_eq!(ips(&crash(running).catalog, "a"), ["10.0.0.2"]);
}

/// The rows are written at the start, and then every ten seconds.
#[tokio::test(start_paused = true)]
async fn a_service_that_changes_often_is_written_once_in_ten_seconds() {
    let running = Running::start();
    millis(600).await;
    for last in 1..=8 {
        register(&running.catalog, &format!("10.0.0.{last}"));
        millis(1000).await;
        let lines = running.store.lines().unwrap();
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(count, last, "nothing was committed");
    }
    millis(2000).await;
    assert!(running.store.lines().unwrap().is_empty());
    assert_eq!(running.catalog.counts().journal_bytes, 0);
    assert_eq!(ips(&crash(running).catalog, "a").len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_the_machine_loses_at_most_the_last_half_second() {
    let running = Running::start();
    millis(600).await;
    register(&running.catalog, "10.0.0.1");
    millis(500).await;
    register(&running.catalog, "10.0.0.2");
    running.store.lose_unsynced();
    let running = crash(running);
    assert_eq!(ips(&running.catalog, "a"), ["10.0.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_half_full_is_replaced_at_the_next_tick() {
    let config = Config {
        journal: 1000,
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    millis(600).await;
    while running.catalog.counts().journal_bytes < 500 {
        register(
            &running.catalog,
            &format!("10.0.0.{}", ips(&running.catalog, "a").len() + 1),
        );
    }
    millis(500).await;
    assert_eq!(running.catalog.counts().journal_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_synced_is_replaced_at_the_next_tick() {
    let running = Running::start();
    millis(600).await;
    register(&running.catalog, "10.0.0.1");
    running.store.fail(Some("the disk fails"));
    millis(500).await;
    assert!(!running.store.lines().unwrap().is_empty());
    running.store.fail(None);
    millis(500).await;
    assert!(running.store.lines().unwrap().is_empty());
}
