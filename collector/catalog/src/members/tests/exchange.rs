//! What is published and applied.

use rollcall_domain::catalog::{Claim, ClaimState, Stamp};

use super::*;
use crate::members::{entries, unpublished::SPARE};

#[tokio::test(start_paused = true)]
async fn every_member_lists_the_instances_of_all() {
    let cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    let connection = cluster.connect("a:1");
    cluster.register_by("a:1", &connection, registration("10.0.0.1"));
    cluster.register("b:1", "10.0.0.2");
    settled().await;
    assert_eq!(
        cluster.list("c:1"),
        ["10.0.0.1 collector a:1", "10.0.0.2 collector b:1"]
    );
    assert_eq!(
        cluster.list("a:1"),
        ["10.0.0.1 connection 1", "10.0.0.2 collector b:1"]
    );
    let counts = cluster.catalog("c:1").counts();
    assert_eq!(
        (counts.registry.of_members, counts.registry.publishers),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_registration_at_another_member_moves_the_instance_and_the_end_of_the_old_connection_changes_nothing()
 {
    let cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    let (old, new) = (cluster.connect("a:1"), cluster.connect("b:1"));
    cluster.register_by("a:1", &old, registration("10.0.0.1"));
    settled().await;
    let revision = cluster.catalog("c:1").service(&key("a")).unwrap().revision;
    cluster.register_by("b:1", &new, registration("10.0.0.1"));
    settled().await;
    let Publisher::Connection(id) = old else {
        unreachable!()
    };
    cluster
        .catalog("a:1")
        .connection_closed(id, ConnectionEnd::Dropped);
    settled().await;
    assert_eq!(cluster.list("c:1"), ["10.0.0.1 collector b:1"]);
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 collector b:1"]);
    assert!(cluster.board.keys("a:1").is_empty());
    let after = cluster.catalog("c:1").service(&key("a")).unwrap().revision;
    assert_eq!(revision, after, "no consumer sees that the client moved");
}

#[tokio::test(start_paused = true)]
async fn a_deregistration_at_any_member_removes_the_instance_everywhere_and_no_late_beat_restores_it()
 {
    let cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    let catalog = cluster.catalog("b:1");
    let at = endpoint("10.0.0.1");
    let removed = catalog.deregister(&key("a"), &at, Kind::Ephemeral).await;
    assert!(removed.unwrap());
    settled().await;
    for name in ["a:1", "b:1", "c:1"] {
        assert!(cluster.list(name).is_empty());
        let described = Some(registration("10.0.0.1"));
        let beat = cluster.catalog(name).beat(&key("a"), &at, described);
        assert_eq!(beat.unwrap(), Beat::Deregistered(Duration::from_secs(5)));
    }
    // Nothing of it is left after the term, and a registration within the term counts.
    cluster.register("c:1", "10.0.0.1");
    settled().await;
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 collector c:1"]);
    let service = key("a");
    let removed = cluster
        .catalog("a:1")
        .deregister(&service, &at, Kind::Ephemeral);
    assert!(removed.await.unwrap());
    sleep(Duration::from_secs(40)).await;
    for name in ["a:1", "b:1", "c:1"] {
        assert_eq!(cluster.board.keys(name), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn changed_values_and_health_reach_the_others() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    let mut changed = registration("10.0.0.1");
    changed.weight = 7.0;
    let publisher = changed.endpoint.publisher();
    cluster.register_by("a:1", &publisher, changed);
    settled().await;
    let found = cluster
        .catalog("b:1")
        .instance(&key("a"), &endpoint("10.0.0.1"), None);
    assert!((found.unwrap().weight() - 7.0).abs() < f64::EPSILON);
    sleep(Duration::from_secs(16)).await;
    assert_eq!(cluster.list("b:1"), ["!10.0.0.1 collector a:1"]);
    sleep(Duration::from_secs(16)).await;
    assert!(cluster.list("b:1").is_empty());
    assert!(cluster.events("b:1").contains(&EventKind::MemberRemoved));
}

#[tokio::test(start_paused = true)]
async fn what_changes_within_a_window_is_one_write() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let board = cluster.board.of("a:1");
    for i in 0..100 {
        cluster.register("a:1", &format!("10.0.0.{i}"));
    }
    settled().await;
    assert_eq!(board.writes(), 1);
    for _ in 0..20 {
        cluster.register("a:1", "10.0.0.1");
    }
    settled().await;
    assert_eq!(board.writes(), 1, "nothing has changed");
    for i in 100..120 {
        cluster.register("a:1", &format!("10.0.0.{i}"));
        sleep(Duration::from_millis(2)).await;
    }
    settled().await;
    assert_eq!(
        board.writes(),
        3,
        "the first at once, and those of the window"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_exchange_clients_are_served_and_both_sides_are_repaired_afterwards() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let (here, there) = (cluster.connect("a:1"), cluster.connect("b:1"));
    let all = |ips: &[&str]| ips.iter().map(|ip| registration(ip)).collect();
    let batch = |name: &str, publisher: &Publisher, ips: &[&str]| {
        let Publisher::Connection(id) = publisher else {
            unreachable!()
        };
        let catalog = cluster.catalog(name);
        catalog.batch_register(*id, &key("a"), all(ips)).unwrap();
    };
    batch("a:1", &here, &["10.0.0.1", "10.0.0.2"]);
    batch("b:1", &there, &["10.0.0.3", "10.0.0.4"]);
    settled().await;
    cluster.board.cut("a:1", true);
    batch("a:1", &here, &["10.0.0.2", "10.0.0.5"]);
    batch("b:1", &there, &["10.0.0.4", "10.0.0.6"]);
    sleep(Duration::from_secs(60)).await;
    let listed = [
        "2 connection 1",
        "3 collector b:1",
        "4 collector b:1",
        "5 connection 1",
    ];
    assert_eq!(cluster.list("a:1"), listed.map(|it| format!("10.0.0.{it}")));
    let listed = [
        "1 collector a:1",
        "2 collector a:1",
        "4 connection 1",
        "6 connection 1",
    ];
    assert_eq!(cluster.list("b:1"), listed.map(|it| format!("10.0.0.{it}")));
    cluster.board.cut("a:1", false);
    sleep(Duration::from_secs(1)).await;
    let listed = [
        "2 collector a:1",
        "4 connection 1",
        "5 collector a:1",
        "6 connection 1",
    ];
    assert_eq!(cluster.list("b:1"), listed.map(|it| format!("10.0.0.{it}")));
    let listed = [
        "2 connection 1",
        "4 collector b:1",
        "5 connection 1",
        "6 collector b:1",
    ];
    assert_eq!(cluster.list("a:1"), listed.map(|it| format!("10.0.0.{it}")));
}

#[tokio::test(start_paused = true)]
async fn unreadable_and_unknown_entries_are_skipped() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    let keys = cluster.board.keys("a:1");
    cluster.board.write("b:1", &keys[0], Some(b"{"));
    cluster.board.write("b:1", "later/1", Some(b"{}"));
    cluster.board.write("b:1", "i/broken", Some(b"{}"));
    cluster.register("b:1", "10.0.0.2");
    settled().await;
    assert_eq!(
        cluster.list("a:1"),
        ["10.0.0.1 10.0.0.1:80", "10.0.0.2 collector b:1"]
    );
    assert_eq!(cluster.catalog("a:1").counts().exchanged.unreadable, 1);
}

#[tokio::test(start_paused = true)]
async fn instances_without_room_are_left_out_and_tried_again() {
    let mut cluster = Cluster::start(&["a:1"]).await;
    let mut config = Config::default();
    config.limits.instances_per_service = 2;
    cluster.join("b:1", config).await;
    for i in 1..=3 {
        cluster.register("a:1", &format!("10.0.0.{i}"));
    }
    settled().await;
    assert_eq!(cluster.list("b:1").len(), 2);
    assert_eq!(cluster.catalog("b:1").counts().exchanged.left_out, 1);
    let at = endpoint("10.0.0.1");
    let service = key("a");
    let removed = cluster
        .catalog("a:1")
        .deregister(&service, &at, Kind::Ephemeral);
    assert!(removed.await.unwrap());
    for _ in 0..13 {
        sleep(Duration::from_secs(5)).await;
        for ip in ["10.0.0.2", "10.0.0.3"] {
            cluster.beat("a:1", ip);
        }
    }
    assert_eq!(cluster.list("b:1").len(), 2);
    assert_eq!(cluster.catalog("b:1").counts().exchanged.left_out, 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_room_behind_a_forgotten_deregistration_is_counted() {
    let mut cluster = Cluster::start(&["a:1"]).await;
    let mut config = Config::default();
    config.limits.instances_per_service = 1;
    cluster.join("b:1", config).await;
    let connection = cluster.connect("b:1");
    cluster.register_by("b:1", &connection, registration("10.0.0.2"));
    let catalog = cluster.catalog("b:1");
    let at = endpoint("10.0.0.1");
    let removed = catalog.deregister(&key("a"), &at, Kind::Ephemeral).await;
    assert!(!removed.unwrap());
    settled().await;
    // The clock of `a` is behind, so the registration there is not shown until the deregistration is forgotten.
    let claim = Claim {
        at: Stamp::from_number(1),
        replaces: Vec::new(),
        state: ClaimState::Registered {
            registration: registration("10.0.0.1"),
            needs_beats: false,
        },
    };
    let name = entries::instance_key(&(key("a"), at));
    let value = entries::write(&claim);
    cluster.board.write("a:1", &name, value.as_deref());
    settled().await;
    assert_eq!(catalog.counts().exchanged.left_out, 0);
    sleep(Duration::from_secs(16)).await;
    assert_eq!(catalog.counts().exchanged.left_out, 1);
    assert_eq!(cluster.list("b:1"), ["10.0.0.2 connection 1"]);
}

#[tokio::test(start_paused = true)]
async fn reads_are_refused_until_the_others_are_read() {
    let mut cluster = Cluster::start(&["a:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    cluster.board.cut("b:1", true);
    cluster.join("b:1", Config::default()).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!cluster.catalog("b:1").is_complete());
    cluster.board.cut("b:1", false);
    sleep(Duration::from_secs(1)).await;
    assert!(cluster.catalog("b:1").is_complete());
    // The instance of `a` had no beats meanwhile, and `b` has seen what `a` made of that.
    assert_eq!(cluster.list("b:1"), cluster.list("a:1"));
}

/// Without a limit, the list of the instances that wait would grow as long as clients come and go during an outage.
#[tokio::test(start_paused = true)]
async fn an_outage_in_which_many_instances_come_and_go_takes_bounded_memory_and_loses_no_change() {
    let mut cluster = Cluster::start(&["a:1", "b:1"]).await;
    let [steady, leaving, passing] = [(); 3].map(|()| cluster.connect("a:1"));
    cluster.register_by("a:1", &steady, registration("10.0.0.1"));
    cluster.register_by("a:1", &leaving, registration("10.0.0.2"));
    settled().await;
    cluster.board.refuse_writes("a:1", true);
    let Publisher::Connection(passing) = passing else {
        unreachable!()
    };
    let unpublished = |cluster: &Cluster| cluster.catalog("a:1").counts().exchanged.unpublished;
    for round in 0..12 {
        let addresses = (0..2000).map(|i| format!("10.{round}.{}.{}", 1 + i / 250, i % 250));
        let batch = addresses.map(|ip| registration(&ip)).collect();
        let catalog = cluster.catalog("a:1");
        catalog.batch_register(passing, &key("a"), batch).unwrap();
        assert!(unpublished(&cluster) <= SPARE + 2002);
    }
    assert!(unpublished(&cluster) >= SPARE, "it was not full");
    // None of these changes is recorded.
    for gone in [leaving, Publisher::Connection(passing)] {
        let Publisher::Connection(id) = gone else {
            unreachable!()
        };
        cluster
            .catalog("a:1")
            .connection_closed(id, ConnectionEnd::Dropped);
    }
    cluster.register_by("a:1", &steady, registration("10.0.0.3"));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.list("b:1").len(), 2);
    cluster.board.refuse_writes("a:1", false);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.3 collector a:1"]);
    assert_eq!(cluster.board.keys("a:1").len(), 1);
    assert_eq!(unpublished(&cluster), 0);

    // One that stops meanwhile does not wait for the exchange.
    cluster.board.refuse_writes("a:1", true);
    cluster.register_by("a:1", &steady, registration("10.0.0.4"));
    let mut node = cluster.nodes.remove("a:1").unwrap();
    node.cancel.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), node.workers.join_next());
    ended.await.unwrap().unwrap().unwrap().unwrap();
}
