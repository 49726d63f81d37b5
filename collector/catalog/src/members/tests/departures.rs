//! Members that leave, restart, and return.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_instances_of_a_member_that_left_stay_for_the_grace_except_where_they_registered_again()
{
    let mut cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    let (one, two) = (cluster.connect("a:1"), cluster.connect("a:1"));
    cluster.register_by("a:1", &one, registration("10.0.0.1"));
    cluster.register_by("a:1", &two, registration("10.0.0.2"));
    settled().await;
    let revision = |cluster: &Cluster| cluster.catalog("c:1").service(&key("a")).unwrap().revision;
    let before = revision(&cluster);
    cluster.kill("a:1");
    sleep(Duration::from_secs(10)).await;
    let again = cluster.connect("b:1");
    cluster.register_by("b:1", &again, registration("10.0.0.1"));
    settled().await;
    assert_eq!(cluster.list("c:1").len(), 2);
    assert_eq!(revision(&cluster), before, "no list has changed");
    sleep(Duration::from_secs(6)).await;
    assert_eq!(cluster.list("c:1"), ["10.0.0.1 collector b:1"]);
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 connection 1"]);
    assert!(cluster.events("c:1").contains(&EventKind::MemberLeft));
    assert!(
        cluster.board.keys("a:1").is_empty(),
        "the first member removes the entries"
    );
}

#[tokio::test(start_paused = true)]
async fn a_beat_for_an_instance_of_a_member_that_left_takes_it_over() {
    let mut cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    cluster.kill("a:1");
    sleep(Duration::from_secs(1)).await;
    for beat in 0..12 {
        let name = ["b:1", "c:1"][beat % 2];
        assert_eq!(
            cluster.beat(name, "10.0.0.1"),
            Beat::Renewed(Duration::from_secs(5))
        );
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 10.0.0.1:80"]);
    assert_eq!(cluster.list("c:1"), ["10.0.0.1 collector b:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_restarts_takes_its_instances_over_until_their_clients_are_due() {
    let mut cluster = Cluster::start(&["a:1", "b:1"]).await;
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        cluster.register("a:1", ip);
    }
    settled().await;
    cluster.kill("a:1");
    sleep(Duration::from_secs(3)).await;
    // One client has moved meanwhile.
    let moved = cluster.connect("b:1");
    cluster.register_by("b:1", &moved, registration("10.0.0.3"));
    settled().await;
    cluster.join("a:1", Config::default()).await;
    settled().await;
    let restored = "roster of an earlier run";
    let listed = [
        format!("10.0.0.1 {restored}"),
        format!("10.0.0.2 {restored}"),
        "10.0.0.3 collector b:1".to_owned(),
    ];
    assert_eq!(cluster.list("a:1"), listed);
    let published = cluster.catalog("a:1").counts().exchanged.published;
    assert!(published <= 2, "only the moved one");
    for _ in 0..8 {
        cluster.beat("a:1", "10.0.0.1");
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(
        cluster.list("b:1"),
        ["10.0.0.1 collector a:1", "10.0.0.3 connection 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_taken_for_gone_publishes_its_instances_again_when_it_is_back() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let connection = cluster.connect("b:1");
    cluster.register_by("b:1", &connection, registration("10.0.0.1"));
    settled().await;
    cluster
        .view
        .send_replace(Arc::new(View::new([member("a:1", cluster.serving_since)])));
    sleep(Duration::from_secs(20)).await;
    assert!(cluster.list("a:1").is_empty());
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 connection 1"]);
    let writes = cluster.board.of("b:1").writes();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        cluster.board.of("b:1").writes(),
        writes,
        "it is not in the cluster"
    );
    cluster.show();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 collector b:1"]);
}

#[tokio::test(start_paused = true)]
async fn connections_that_a_stopping_member_closes_remove_nothing_before_the_grace_ends() {
    let mut cluster = Cluster::start(&["a:1", "b:1"]).await;
    let connection = cluster.connect("a:1");
    cluster.register_by("a:1", &connection, registration("10.0.0.1"));
    settled().await;
    let catalog = cluster.catalog("a:1").clone();
    catalog.drain();
    let Publisher::Connection(id) = connection else {
        unreachable!()
    };
    catalog.connection_closed(id, ConnectionEnd::CollectorStops);
    let mut node = cluster.nodes.remove("a:1").unwrap();
    node.cancel.cancel();
    node.workers.join_next().await.unwrap().unwrap().unwrap();
    cluster.show();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    sleep(Duration::from_secs(10)).await;
    assert!(cluster.list("b:1").is_empty());
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_member_that_was_never_in_the_cluster_are_removed_after_the_grace() {
    let mut cluster = Cluster::start(&["a:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    cluster.kill("a:1");
    cluster.join("b:1", Config::default()).await;
    settled().await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    sleep(Duration::from_secs(16)).await;
    assert!(cluster.list("b:1").is_empty());
    assert!(cluster.board.keys("a:1").is_empty());
}

/// It is a collector of upstream, or serves no Nacos clients.
#[tokio::test(start_paused = true)]
async fn a_first_member_without_a_catalog_does_not_keep_others_from_removing_entries() {
    let mut cluster = Cluster::start(&["b:1", "c:1"]).await;
    cluster.register("c:1", "10.0.0.1");
    settled().await;
    cluster.nodes.remove("c:1");
    let members = ["a:1", "b:1"].map(|it| member(it, cluster.serving_since));
    cluster.view.send_replace(Arc::new(View::new(members)));
    sleep(Duration::from_secs(20)).await;
    assert!(cluster.list("b:1").is_empty());
    assert!(cluster.board.keys("c:1").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_starts_beside_one_that_serves_answers_at_once() {
    let mut cluster = Cluster::start(&["a:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    cluster.join_with("b:1", Config::default()).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
}

/// The clients return one after the other, and each member has only some of them.
#[tokio::test(start_paused = true)]
async fn members_that_start_at_the_same_time_wait_for_their_clients() {
    let mut cluster = Cluster::start(&[]).await;
    cluster.serving_since = crate::Clock::wall(&cluster.clock);
    for name in ["a:1", "b:1"] {
        cluster.join_with(name, Config::default()).await;
    }
    cluster.register("a:1", "10.0.0.1");
    sleep(Duration::from_secs(14)).await;
    for name in ["a:1", "b:1"] {
        assert!(!cluster.catalog(name).is_complete(), "{name}");
    }
    sleep(Duration::from_secs(2)).await;
    for name in ["a:1", "b:1"] {
        assert_eq!(cluster.list(name).len(), 1, "{name}");
    }
}

/// The entry of a client with a connection is written once more when the client is back, and not before.
#[tokio::test(start_paused = true)]
async fn a_member_that_restarts_publishes_an_instance_only_when_its_client_returns() {
    let mut cluster = Cluster::start(&["a:1", "b:1"]).await;
    let connection = cluster.connect("a:1");
    cluster.register_by("a:1", &connection, registration("10.0.0.1"));
    cluster.register("a:1", "10.0.0.2");
    settled().await;
    cluster.kill("a:1");
    sleep(Duration::from_secs(3)).await;
    let board = cluster.board.of("a:1");
    let before = board.writes();
    cluster.join("a:1", Config::default()).await;
    settled().await;
    assert_eq!(cluster.list("a:1").len(), 2);
    assert_eq!(board.writes(), before, "nothing has changed");
    let again = cluster.connect("a:1");
    cluster.register_by("a:1", &again, registration("10.0.0.1"));
    settled().await;
    assert_eq!(board.writes(), before + 1);
    cluster.beat("a:1", "10.0.0.2");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
}
