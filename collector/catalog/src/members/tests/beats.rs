//! Clients of 1.x, which send each beat to another member.

use super::*;

#[tokio::test(start_paused = true)]
async fn beats_that_alternate_keep_an_instance_healthy_and_are_not_written_one_by_one() {
    let cluster = Cluster::start(&["a:1", "b:1", "c:1"]).await;
    const COUNT: u32 = 1000;
    let ip = |i: u32| format!("10.0.{}.{}", i / 250, i % 250);
    for i in 0..COUNT {
        cluster.register("a:1", &ip(i));
    }
    sleep(Duration::from_secs(5)).await;
    let names = ["a:1", "b:1", "c:1"];
    let boards = names.map(|name| cluster.board.of(name));
    let before: usize = boards.iter().map(Board::writes).sum();
    let events = cluster.events("b:1").len();
    let seconds = 120;
    // In each second, a fifth of the instances beat, each at the next member.
    for second in 0..seconds {
        for i in (0..COUNT).filter(|i| i % 5 == second % 5) {
            let name = names[usize::try_from((i + second / 5) % 3).unwrap()];
            assert_eq!(
                cluster.beat(name, &ip(i)),
                Beat::Renewed(Duration::from_secs(5))
            );
        }
        sleep(Duration::from_secs(1)).await;
    }
    let after: usize = boards.iter().map(Board::writes).sum();
    let writes = after - before;
    // At most one in three seconds from each of the members that has none of them.
    assert!(
        writes <= usize::try_from(seconds).unwrap() * 3 / 3 + 3,
        "{writes} writes"
    );
    assert_eq!(cluster.events("b:1").len(), events, "nothing changed");
    assert_eq!(cluster.list("c:1").len(), usize::try_from(COUNT).unwrap());
}

#[tokio::test(start_paused = true)]
async fn beats_at_another_member_alone_keep_an_instance_even_if_one_is_lost() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    for _ in 0..12 {
        sleep(Duration::from_secs(10)).await;
        cluster.beat("b:1", "10.0.0.1");
        settled().await;
        assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    }
    sleep(Duration::from_secs(20)).await;
    assert_eq!(cluster.list("b:1"), ["!10.0.0.1 collector a:1"]);
    // A beat makes it healthy again, wherever it arrives.
    cluster.beat("b:1", "10.0.0.1");
    sleep(Duration::from_millis(600)).await;
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 10.0.0.1:80"]);
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_registration_at_another_member_is_a_beat_and_a_changed_one_moves_the_instance()
{
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    settled().await;
    for _ in 0..10 {
        sleep(Duration::from_secs(5)).await;
        cluster.register("b:1", "10.0.0.1");
    }
    settled().await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    let mut changed = registration("10.0.0.1");
    changed.weight = 2.0;
    cluster.register_by("b:1", &endpoint("10.0.0.1").publisher(), changed);
    settled().await;
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 collector b:1"]);
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 10.0.0.1:80"]);
}

#[tokio::test(start_paused = true)]
async fn short_beat_terms_are_kept_across_members() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let mut short = registration("10.0.0.1");
    let terms = [
        ("preserved.heart.beat.interval", "1000"),
        ("preserved.heart.beat.timeout", "3000"),
        ("preserved.ip.delete.timeout", "6000"),
    ];
    short.metadata = Arc::new(terms.into_iter().collect());
    cluster.register_by("a:1", &endpoint("10.0.0.1").publisher(), short);
    settled().await;
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        cluster.beat("b:1", "10.0.0.1");
        assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn while_beats_at_others_cannot_be_read_a_roaming_instance_is_not_judged() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    cluster.register("a:1", "10.0.0.1");
    cluster.register("a:1", "10.0.0.2");
    settled().await;
    // One client beats at both members, the other only at its own.
    cluster.beat("b:1", "10.0.0.1");
    settled().await;
    cluster.board.cut("a:1", true);
    for _ in 0..8 {
        sleep(Duration::from_secs(5)).await;
        cluster.beat("b:1", "10.0.0.1");
    }
    assert_eq!(cluster.list("a:1"), ["10.0.0.1 10.0.0.1:80"]);
    cluster.board.cut("a:1", false);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
    // Without beats it ends once beats can be read.
    sleep(Duration::from_secs(60)).await;
    assert!(cluster.list("a:1").is_empty());
}

#[tokio::test(start_paused = true)]
async fn beats_of_an_instance_with_a_connection_are_answered_and_not_relayed() {
    let cluster = Cluster::start(&["a:1", "b:1"]).await;
    let connection = cluster.connect("a:1");
    cluster.register_by("a:1", &connection, registration("10.0.0.1"));
    settled().await;
    let board = cluster.board.of("b:1");
    let before = board.writes();
    for _ in 0..10 {
        cluster.beat("b:1", "10.0.0.1");
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(board.writes(), before);
    assert_eq!(cluster.list("b:1"), ["10.0.0.1 collector a:1"]);
}
