//! An exchange without space, which only removes entries.

use super::*;

#[tokio::test(start_paused = true)]
async fn removals_are_published_at_once_and_everything_else_when_there_is_space_again() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let [first, last, many] = [(); 3].map(|()| cluster.connect("a:1"));
    cluster.register_by("a:1", &first, registration("10.0.0.1"));
    cluster.register_by("a:1", &last, registration("10.9.9.9"));
    settled().await;
    cluster.board.fill(true);
    let (Publisher::Connection(last), Publisher::Connection(many)) = (last, many) else {
        unreachable!()
    };
    // More than one batch, whose keys come before that of the instance that ends.
    let addresses = (0..250).map(|i| format!("10.1.0.{i}"));
    let batch = addresses.map(|ip| registration(&ip)).collect();
    let catalog = cluster.catalog("a:1");
    catalog.batch_register(many, &key("a"), batch).unwrap();
    sleep(Duration::from_secs(2)).await;
    catalog.connection_closed(last, ConnectionEnd::Dropped);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    assert_eq!(catalog.counts().exchanged.unpublished, 250);
    // The connection of a published instance has another one instead.
    cluster.register_by("a:1", &first, registration("10.1.0.7"));
    sleep(Duration::from_secs(2)).await;
    assert!(cluster.list("b:1").is_empty());
    cluster.board.fill(false);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.list("b:1").len(), 250);
    assert_eq!(catalog.counts().exchanged.unpublished, 0);
}

/// A deregistration is a claim, which is written; when it is forgotten, the entry is removed.
#[tokio::test(start_paused = true)]
async fn a_deregistered_instance_is_removed_when_its_deregistration_is_forgotten() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    cluster.board.fill(true);
    let at = endpoint("10.0.0.1");
    let service = key("a");
    let removed = cluster
        .catalog("a:1")
        .deregister(&service, &at, Kind::Ephemeral);
    assert!(removed.await.unwrap());
    sleep(Duration::from_secs(17)).await;
    assert!(cluster.list("b:1").is_empty());
    assert_eq!(cluster.catalog("a:1").counts().exchanged.unpublished, 0);
}

#[tokio::test(start_paused = true)]
async fn instances_whose_beats_arrive_at_other_members_are_not_judged() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    cluster.register("b:1", "10.0.0.2");
    settled().await;
    let beat_elsewhere = || {
        cluster.beat("b:1", "10.0.0.1");
        cluster.beat("a:1", "10.0.0.2");
    };
    beat_elsewhere();
    settled().await;
    cluster.board.fill(true);
    for _ in 0..20 {
        sleep(Duration::from_secs(5)).await;
        beat_elsewhere();
        let listed = ["10.0.0.1 collector a:1", "10.0.0.2 10.0.0.2:80"];
        assert_eq!(cluster.list("b:1"), listed);
    }
    cluster.board.fill(false);
    // Without beats they end.
    sleep(Duration::from_secs(60)).await;
    assert!(cluster.list("b:1").is_empty());
}
