//! Tests the membership of collectors as the other members see it, with real collectors and real etcd and ZooKeeper servers.

mod cluster;
mod secured;
mod upstream;

use std::time::{Duration, Instant};

use cluster::{
    Cluster, Coordinator, TERM, agent_grpc, is_degraded, is_well, lists, may_complain, member,
    metric, name, naming,
};
use rollcall_tests::{
    PATIENCE,
    engine::{Etcd, ZooKeeper},
    http,
    process::Collector,
    proxy::{Link, Proxy},
};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The delay after a term until an engine detects that the lease has expired. Both engines check leases every half second.
const NOTICED: Duration = Duration::from_secs(2);

/// The longest such delay on a busy machine.
const LATE: Duration = Duration::from_secs(6);

/// Repeatedly requests the list from `observer` and checks that every listed collector answers, until `done` accepts the list.
async fn all_that_are_listed_answer(observer: &Collector, mut done: impl FnMut(&[String]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = naming(observer, "/ui/jetty").await.unwrap();
        for entry in &listed {
            let address = entry.trim_end_matches('/').parse().unwrap();
            let reply = http::Client::new(address).get("/livez").await;
            assert!(reply.is_ok(), "{entry} is listed: {reply:?}");
        }
        if done(&listed) {
            return;
        }
        assert!(Instant::now() < deadline, "still lists {listed:?}");
    }
}

async fn a_listed_collector_serves<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let a = cluster.options().start().await;
    lists(&a, &[&a]).await;
    let joining = async {
        let b = cluster.options().start().await;
        lists(&b, &[&a, &b]).await;
        b
    };
    let (mut b, ()) = tokio::join!(
        joining,
        all_that_are_listed_answer(&a, |listed| listed.len() == 2)
    );
    let seen = member(&a, &name(&b)).await.unwrap().unwrap();
    for (key, value) in [("state", "serving"), ("version", env!("CARGO_PKG_VERSION"))] {
        assert_eq!(seen[key], value, "{seen}");
    }
    lists(&b, &[&a, &b]).await;
    let own = member(&b, &name(&b)).await.unwrap().unwrap();
    assert_eq!((&seen["self"], &own["self"]), (&false.into(), &true.into()));
    assert_eq!(seen["since"], own["since"]);
    let owners = [&a, &b].map(name);
    let first = owners.iter().min().unwrap();
    for owner in &owners {
        let known = member(&a, owner).await.unwrap().unwrap();
        assert_eq!(known["owner"], owner == first, "{known}");
    }
    b.signal(Signal::TERM);
    all_that_are_listed_answer(&a, |listed| listed.len() == 1).await;
    assert!(b.exit().await.success());
}

async fn a_dead_member_leaves_the_list_within_its_term<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    b.kill();
    let killed = Instant::now();
    lists(&a, &[&a]).await;
    let took = killed.elapsed();
    assert!(
        took < TERM + LATE,
        "the member left the list after {took:?}"
    );
    for event in ["member joined", "member left"] {
        a.wait_for_log(|line| line.message == event && line.text("member") == Some(&*name(&b)))
            .await;
    }
}

async fn a_draining_member_finishes_without_new_requests<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    let mut underway = TcpStream::connect(b.listeners().jetty).await.unwrap();
    let head = "POST /application/register HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    underway.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    underway.read_exact(&mut go_on).await.unwrap();
    b.signal(Signal::TERM);
    lists(&a, &[&a]).await;
    let listener = b.listeners().jetty.to_string();
    b.wait_for_log(|line| line.message == "draining" && line.text("address") == Some(&listener))
        .await;
    let draining = member(&a, &name(&b)).await.unwrap().unwrap();
    assert_eq!(draining["state"], "draining");
    underway.write_all(b"[]").await.unwrap();
    let mut answer = String::new();
    underway.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(b.exit().await.success());
    assert_eq!(member(&a, &name(&b)).await.unwrap(), None);
}

async fn a_member_that_lost_its_session_rejoins<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let (a, mut b) = cluster.pair().await;
    may_complain(&mut b);
    b.signal(Signal::STOP);
    lists(&a, &[&a]).await;
    b.signal(Signal::CONT);
    lists(&a, &[&a, &b]).await;
    is_well(&b).await;
}

async fn the_last_list_stays_while_the_engine_is_unavailable<E: Coordinator>() {
    let mut cluster = Cluster::<E>::start().await;
    let (mut a, mut b) = cluster.pair().await;
    may_complain(&mut a);
    may_complain(&mut b);
    let listed = [agent_grpc(&a), agent_grpc(&b)];
    let stays = async |missing: &str| {
        for collector in [&a, &b] {
            is_degraded(collector, &["is unavailable"]).await;
            let mut still = naming(collector, "/agent/gRPC").await.unwrap();
            still.sort_by_key(|address| listed.iter().position(|known| known == address));
            assert_eq!(still, listed, "{missing}");
            assert_eq!(
                metric(collector, "rollcall_coordinated").await.unwrap(),
                "0"
            );
        }
    };
    cluster.engine.pause();
    stays("paused").await;
    cluster.engine.resume();
    for collector in [&a, &b] {
        is_well(collector).await;
        lists(collector, &[&a, &b]).await;
    }
    cluster.engine.kill();
    stays("killed").await;
    cluster.engine.restart().await;
    for collector in [&a, &b] {
        is_well(collector).await;
        lists(collector, &[&a, &b]).await;
        assert_eq!(
            metric(collector, "rollcall_coordinated").await.unwrap(),
            "1"
        );
    }
    // The members update their lists again.
    assert!(b.terminate().await.success());
    lists(&a, &[&a]).await;
}

async fn members_join_an_engine_again_that_has_lost_its_data<E: Coordinator>() {
    let mut cluster = Cluster::<E>::start().await;
    let (mut a, mut b) = cluster.pair().await;
    may_complain(&mut a);
    may_complain(&mut b);
    cluster.engine.lose_data();
    cluster.engine.restart().await;
    // This new member knows only the current entries of the engine, not the lost ones.
    let c = cluster.options().start().await;
    for collector in [&c, &a, &b] {
        lists(collector, &[&a, &b, &c]).await;
        is_well(collector).await;
    }
}

async fn another_server_of_the_engine_takes_over<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let engine = cluster.engine.address();
    let links = [Proxy::to(engine).await, Proxy::to(engine).await];
    let through = cluster.options_through(&links.each_ref().map(Proxy::address));
    let (a, mut b) = tokio::join!(cluster.options().start(), through.start());
    may_complain(&mut b);
    lists(&a, &[&a, &b]).await;
    let [first, second] = &links;
    for (cut, whole) in [(first, second), (second, first)] {
        whole.set(Link::Whole);
        cut.set(Link::Refusing);
        let cut_at = Instant::now();
        // Watches for as long as an eviction would take.
        while cut_at.elapsed() < TERM + NOTICED {
            let listed = naming(&a, "/agent/gRPC").await.unwrap();
            assert!(listed.contains(&agent_grpc(&b)), "only {listed:?} are left");
        }
        is_well(&b).await;
    }
}

async fn a_collector_starts_without_its_engine_and_joins_later<E: Coordinator>() {
    let mut cluster = Cluster::<E>::start().await;
    cluster.engine.kill();
    let mut a = cluster.options().start().await;
    may_complain(&mut a);
    is_degraded(&a, &["is unavailable"]).await;
    assert_eq!(naming(&a, "/agent/gRPC").await.unwrap(), [""; 0]);
    cluster.engine.restart().await;
    is_well(&a).await;
    lists(&a, &[&a]).await;
}

async fn the_entry_of_another_collector_is_an_error_and_is_kept<E: Coordinator>() {
    let cluster = Cluster::<E>::start().await;
    let mut a = cluster.options().start().await;
    lists(&a, &[&a]).await;
    let before = member(&a, &name(&a)).await.unwrap();
    let port = a.listeners().remote.port().to_string();
    let mut twin = cluster
        .options()
        .env("SW_REMOTE_GRPC_HOST", "127.0.0.2")
        .env("SW_REMOTE_GRPC_ADVERTISED_HOST", "127.0.0.1")
        .env("SW_REMOTE_GRPC_PORT", port)
        .start()
        .await;
    may_complain(&mut twin);
    is_degraded(&twin, &[&name(&a), "belongs to another collector"]).await;
    assert_eq!(member(&a, &name(&a)).await.unwrap(), before);
    assert!(a.terminate().await.success());
    is_well(&twin).await;
    lists(&twin, &[&twin]).await;
}

macro_rules! with_both_engines {
    ($($promise:ident)*) => {
        mod etcd {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise::<super::Etcd>().await;
            })*
        }

        mod zookeeper {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise::<super::ZooKeeper>().await;
            })*
        }
    };
}

with_both_engines! {
    a_listed_collector_serves
    a_dead_member_leaves_the_list_within_its_term
    a_draining_member_finishes_without_new_requests
    a_member_that_lost_its_session_rejoins
    the_last_list_stays_while_the_engine_is_unavailable
    members_join_an_engine_again_that_has_lost_its_data
    another_server_of_the_engine_takes_over
    a_collector_starts_without_its_engine_and_joins_later
    the_entry_of_another_collector_is_an_error_and_is_kept
}

#[tokio::test]
async fn history_compacted_in_etcd_is_not_missed() {
    let cluster = Cluster::<Etcd>::start().await;
    let link = Proxy::to(cluster.engine.address()).await;
    let mut a = cluster.options_through(&[link.address()]).start().await;
    may_complain(&mut a);
    let mut b = cluster.options().start().await;
    may_complain(&mut b);
    lists(&a, &[&a, &b]).await;
    link.set(Link::Refusing);
    is_degraded(&a, &[]).await;
    assert!(b.terminate().await.success());
    cluster.engine.compact().await;
    link.set(Link::Whole);
    is_well(&a).await;
    lists(&a, &[&a]).await;
}
