//! Tests the registrations that collectors forward to the first member, with real collectors and a real etcd.

use std::collections::HashSet;

use rollcall_proto::remote::{RemoteCommonServiceClient, RemoteData, RemoteMessage};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    process::Collector,
    proxy::Link,
};
use rustix::process::Signal;
use tonic::{Code, transport::Endpoint};

/// The registrations that the owner committed for a forwarding collector.
const FORWARDED: &str = "rollcall_registrations_forwarded_total{outcome=\"committed\"}";
/// The number of rows that a collector has committed.
const ROWS: &str = "rollcall_commit_rows_sum";

/// Starts three collectors, sorted by address. The last one forwards its registrations to the first.
async fn cluster() -> Cluster {
    // The first member may use half of the deadline; afterwards the last member commits the remaining requests itself.
    let patient = || Collector::options().env("SW_REGISTER_DEADLINE", "5s");
    let mut cluster = Cluster::start_with(3, patient).await;
    cluster.members.sort_by_key(Member::address);
    for member in &cluster.members {
        knows_serving(&member.collector, 3).await;
    }
    forwards(&cluster.members[2].collector).await;
    cluster
}

async fn metric(collector: &Collector, name: &str) -> usize {
    let value = collector.query().metric(name).await.unwrap();
    usize::try_from(value).unwrap()
}

async fn knows_serving(collector: &Collector, members: usize) {
    eventually(PATIENCE, async || {
        let serving = metric(collector, "rollcall_members{state=\"serving\"}").await;
        (serving == members).then_some(()).ok_or(serving)
    })
    .await;
}

/// Registers new names until one has been forwarded.
async fn forwards(collector: &Collector) {
    let client = collector.grpc().await;
    let before = metric(collector, FORWARDED).await;
    let mut number = 0;
    eventually(PATIENCE, async || {
        number += 1;
        let code = format!("{before}-{number}");
        client.application(&code).await.unwrap();
        let forwarded = metric(collector, FORWARDED).await;
        (forwarded > before).then_some(()).ok_or(forwarded)
    })
    .await;
}

/// Registers a hundred names, and calls `happens` after the first twenty. Checks that every name gets a unique id.
async fn all_get_ids(collector: &Collector, prefix: &str, happens: impl FnOnce()) {
    let client = collector.grpc().await;
    let mut happens = Some(happens);
    let mut ids = HashSet::new();
    for number in 0..100 {
        if number == 20 {
            happens.take().unwrap()();
        }
        let code = format!("{prefix}{number}");
        let id = client.application(&code).await.unwrap();
        assert!(ids.insert(id), "{code} has the id of another name: {id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_member_commits_requests_to_the_last_one() {
    let cluster = cluster().await;
    let [first, middle, last] = [0, 1, 2].map(|at| &cluster.members[at].collector);
    let mut before = Vec::new();
    for collector in [first, middle, last] {
        before.push(metric(collector, ROWS).await);
    }
    let client = last.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "one").await.unwrap();
    let operations = client.operations(application, &["/a", "/b"]).await.unwrap();
    let addresses = client.addresses(&["db:1"]).await.unwrap();
    // One application, one instance, two operations and the reserved one before them, and one address.
    assert_eq!(metric(first, ROWS).await, before[0] + 6);
    assert_eq!(metric(middle, ROWS).await, before[1]);
    assert_eq!(metric(last, ROWS).await, before[2]);
    for collector in [first, middle] {
        let client = collector.grpc().await;
        assert_eq!(client.application("orders").await.unwrap(), application);
        assert_eq!(client.instance(application, "one").await.unwrap(), instance);
        let again = client.operations(application, &["/a", "/b"]).await.unwrap();
        assert_eq!(again, operations);
        assert_eq!(client.addresses(&["db:1"]).await.unwrap(), addresses);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owner_fails_no_registration_and_the_next_one_takes_over() {
    let mut cluster = cluster().await;
    let mut first = cluster.members.remove(0);
    let [_, last] = &*cluster.members else {
        panic!("not two members are left")
    };
    all_get_ids(&last.collector, "", || first.collector.kill()).await;
    for member in &cluster.members {
        knows_serving(&member.collector, 2).await;
    }
    forwards(&last.collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_hangs_fails_no_registration() {
    let mut cluster = cluster().await;
    cluster.expect_trouble();
    let [first, _, last] = &*cluster.members else {
        panic!("three of them")
    };
    let hangs = || first.collector.signal(Signal::STOP);
    all_get_ids(&last.collector, "", hangs).await;
    first.collector.signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_owner_fails_no_registration_and_is_used_again() {
    let cluster = cluster().await;
    let [first, _, last] = &*cluster.members else {
        panic!("three of them")
    };
    for (round, link) in [Link::Refusing, Link::Stalled].into_iter().enumerate() {
        let cut = || first.peer_link.set(link);
        all_get_ids(&last.collector, &format!("{round}-"), cut).await;
        first.peer_link.set(Link::Whole);
        forwards(&last.collector).await;
    }
}

#[tokio::test]
async fn registrations_of_a_java_collector_are_refused_counted_and_shown() {
    let mut collector = Collector::start().await;
    collector.expect_log("a stream of another collector is refused");
    let endpoint = format!("http://{}", collector.listeners().remote);
    let java = Endpoint::from_shared(endpoint)
        .and_then(|endpoint| endpoint.user_agent("grpc-java-netty/1.8.0"))
        .unwrap();
    let mut client = RemoteCommonServiceClient::new(java.connect().await.unwrap());
    // An application in a message of a 3.2.6 collector, which has the same columns as a message of Rollcall's members.
    let application = RemoteMessage {
        graph_id: 200,
        node_id: 10006,
        remote_data_id: 1,
        remote_data: Some(RemoteData {
            data_strings: vec!["phantom".to_owned(), "phantom".to_owned()],
            data_integers: vec![0],
            ..RemoteData::default()
        }),
    };
    let refused = client.call(tokio_stream::iter([application])).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    let dropped = "rollcall_dropped_total{what=\"remote_messages\"}";
    assert_eq!(metric(&collector, dropped).await, 1);
    assert_eq!(collector.query().applications().await.unwrap().len(), 0);
    let probe = collector.http(collector.listeners().ui);
    let ready = probe.get("/readyz").await.unwrap();
    let (status, body): (_, serde_json::Value) = (ready.status, ready.json());
    assert_eq!(
        (status.as_u16(), &body["status"]),
        (200, &"degraded".into()),
        "{body}"
    );
    let reason = body["reasons"]["remote"].as_str().unwrap();
    assert!(reason.contains("(grpc-java-netty/1.8.0"), "{reason}");
}
