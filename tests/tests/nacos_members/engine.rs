//! An etcd that is unavailable, compacted, without space, or restored to an older state.

use rollcall_tests::{engine::Server, proxy::Link};

use super::*;

/// The space of an etcd that is to run out of it.
const QUOTA: u64 = 16 * 1024 * 1024;
/// What a collector logs when it cannot read the instances of others, and when it can again.
const UNREADABLE: &str = "instances of other collectors cannot be read";
const READABLE: &str = "instances of other collectors are read again";

/// Waits until each member has logged lines with this text so many times.
async fn all_log(cluster: &Cluster, text: &str, times: usize) {
    for member in &cluster.members {
        eventually(PATIENCE, async || {
            let log = member.collector.log().into_iter();
            match log.filter(|line| line.message.contains(text)).count() {
                count if count >= times => Ok(()),
                count => Err(count),
            }
        })
        .await;
    }
}

/// Waits until a member has published all changes of its instances.
async fn all_published(member: &Member) {
    eventually(PATIENCE, async || {
        match metric(member, "rollcall_nacos_unpublished_instances").await {
            0 => Ok(()),
            waiting => Err(waiting),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_etcd_clients_are_served_and_the_lists_agree_when_it_is_back() {
    let mut cluster = Cluster::start_with(2, options).await;
    cluster.expect_trouble();
    let client = connect(&cluster.members[0]).await;
    register_over_grpc(&client, "10.0.0.1").await;
    let leaving = connect(&cluster.members[0]).await;
    register_over_grpc(&leaving, "10.0.0.2").await;
    let there = connect(&cluster.members[1]).await;
    register_over_grpc(&there, "10.0.0.3").await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]).await;
    cluster.etcd.stop().await;
    drop(leaving);
    let new = connect(&cluster.members[0]).await;
    register_over_grpc(&new, "10.0.0.4").await;
    all_list([&cluster.members[0]], &["10.0.0.1", "10.0.0.3", "10.0.0.4"]).await;
    all_list([&cluster.members[1]], &["10.0.0.1", "10.0.0.2", "10.0.0.3"]).await;
    cluster.etcd.restart().await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.3", "10.0.0.4"]).await;

    // One collector alone cannot reach etcd: the others take it for gone, and it is back afterwards.
    let [a, b] = &cluster.members[..] else {
        panic!("two members")
    };
    a.engine_link.set(Link::Stalled);
    all_list([b], &["10.0.0.3"]).await;
    all_list([a], &["10.0.0.1", "10.0.0.3", "10.0.0.4"]).await;
    // Its watch cannot continue where it ended.
    cluster.etcd.compact().await;
    let late = connect(b).await;
    register_over_grpc(&late, "10.0.0.5").await;
    a.engine_link.set(Link::Whole);
    all_list([a, b], &["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_without_space_gets_removals_at_once_and_the_rest_afterwards() {
    let etcd = Server::start_with_quota(QUOTA).await;
    let mut cluster = Cluster::start_on(etcd, 2, options).await;
    cluster.expect_trouble();
    let [leaving, staying] = [
        connect(&cluster.members[0]).await,
        connect(&cluster.members[0]).await,
    ];
    register_over_grpc(&leaving, "10.0.0.9").await;
    register_over_grpc(&staying, "10.0.0.1").await;
    all_list(&cluster.members, &["10.0.0.1", "10.0.0.9"]).await;
    cluster.etcd.use_up_quota().await;
    let [a, b] = &cluster.members[..] else {
        panic!("two members")
    };
    let new = connect(a).await;
    register_over_grpc(&new, "10.0.0.2").await;
    let refused = a.collector.wait_for_log(|line| {
        let error = line.text("error").unwrap_or_default();
        line.message.contains("could not be published") && error.contains("etcdctl alarm disarm")
    });
    refused.await;
    drop(leaving);
    all_list([b], &["10.0.0.1"]).await;
    all_list([a], &["10.0.0.1", "10.0.0.2"]).await;
    cluster.etcd.make_space().await;
    all_list([a, b], &["10.0.0.1", "10.0.0.2"]).await;
    all_published(a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_of_etcd_brings_back_no_instance_that_has_ended() {
    let mut cluster = Cluster::start_with(2, options).await;
    cluster.expect_trouble();
    for member in &mut cluster.members {
        let rolled_back = "etcd was rolled back to an earlier state";
        member.collector.expect_log(rolled_back);
    }
    let [a, b] = &cluster.members[..] else {
        panic!("two members")
    };
    let (staying, leaving) = (connect(a).await, connect(a).await);
    register_over_grpc(&staying, "10.0.0.1").await;
    register_over_grpc(&leaving, "10.0.0.2").await;
    let (moving, also_leaving) = (connect(b).await, connect(b).await);
    register_over_grpc(&moving, "10.0.0.3").await;
    register_over_grpc(&also_leaving, "10.0.0.4").await;
    register(b, "10.0.0.5").await;
    let before = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    all_list([a, b], &before).await;
    cluster.etcd.stop().await;
    let copy = cluster.etcd.copy_data();
    all_log(&cluster, UNREADABLE, 1).await;
    cluster.etcd.restart().await;
    all_log(&cluster, READABLE, 1).await;

    let [a, b] = &cluster.members[..] else {
        panic!("two members")
    };
    drop((leaving, also_leaving));
    let moved = connect(a).await;
    register_over_grpc(&moved, "10.0.0.3").await;
    let removed = send(a, Method::DELETE, &format!("{INSTANCE}10.0.0.5")).await;
    assert_eq!(removed.text(), "ok");
    let new = connect(b).await;
    register_over_grpc(&new, "10.0.0.6").await;
    let after = ["10.0.0.1", "10.0.0.3", "10.0.0.6"];
    all_list([a, b], &after).await;
    drop(moving);
    for member in [a, b] {
        all_published(member).await;
    }
    cluster.etcd.stop().await;
    cluster.etcd.restore_data(&copy);
    all_log(&cluster, UNREADABLE, 2).await;
    cluster.etcd.restart().await;
    all_log(&cluster, READABLE, 2).await;

    // What a member writes now, it writes after it has read the older state.
    let [a, b] = &cluster.members[..] else {
        panic!("two members")
    };
    let (here, there) = (connect(a).await, connect(b).await);
    register_over_grpc(&here, "10.0.0.7").await;
    register_over_grpc(&there, "10.0.0.8").await;
    let all = [&after[..], &["10.0.0.7", "10.0.0.8"]].concat();
    all_list([a, b], &all).await;
    for member in [a, b] {
        all_published(member).await;
    }
    // One that has seen nothing of this reads the same.
    let owner = format!("collector {}", a.address());
    cluster.join().await;
    all_list(&cluster.members, &all).await;
    assert_eq!(publisher(&cluster.members[2], "10.0.0.3").await, owner);
}
