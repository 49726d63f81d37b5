//! Plans from etcd's keys, and the application of its changes.

use rollcall_domain::membership::State;
use rollcall_etcd::proto::{KeyValue, RangeResponse};
use rollcall_etcd::testing::{PATIENCE, Server, header};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Cluster as _, testing::member};

const KEY: &[u8] = b"/rollcall/members/a:11800";
const OWN: i64 = 7;
const OTHER: i64 = 8;

fn keys(entry: Vec<u8>, lease: i64) -> Keys {
    let entry = entry.into();
    [(KEY.to_vec(), Value { entry, lease })].into()
}

fn planned(keys: &Keys, member: &Member) -> Plan {
    plan(keys, Some((KEY.to_vec(), member)), OWN)
}

/// The condition of a plan to write.
fn condition(plan: Plan) -> compare::TargetUnion {
    match plan {
        Plan::Write(transaction) => transaction.compare[0].target_union.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_written_only_if_it_is_absent_or_the_collectors_own() {
    let member = member("a");
    let fresh = planned(&Keys::new(), &member);
    assert_eq!(condition(fresh), compare::TargetUnion::CreateRevision(0));
    let own = keys(entry::encode(&member), OWN);
    assert_eq!(planned(&own, &member), Plan::Nothing);
    let draining = Member {
        state: State::Draining,
        ..member.clone()
    };
    let again = planned(&own, &draining);
    assert_eq!(condition(again), compare::TargetUnion::Lease(OWN));
    let other = keys(entry::encode(&member), OTHER);
    assert_eq!(planned(&other, &member), Plan::Taken);
}

#[test]
fn a_collector_leaves_with_its_lease_whether_or_not_the_watch_has_delivered_its_key() {
    let own = keys(entry::encode(&member("a")), OWN);
    assert_eq!(plan(&own, None, OWN), Plan::Leave);
    assert_eq!(plan(&Keys::new(), None, OWN), Plan::Leave);
}

#[tokio::test]
async fn a_collector_that_leaves_before_the_watch_delivers_its_key_revokes_its_lease() {
    let mut server = Server::start().await;
    let (cluster, keeper) = cluster(server.client(), Duration::from_secs(10));
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper.run(CancellationToken::new()));
    let session = cluster.join(member("a"));

    server.admits("token").await;
    server.reads(Ok(RangeResponse::default())).await;
    let watching = server.watches().await;
    watching.created(1);
    server.grants(OWN).await;
    server.writes().await;
    let leaving = session.leave(PATIENCE);
    let revoked = async {
        assert_eq!(server.revokes().await, OWN);
    };
    tokio::join!(leaving, revoked);
    assert_eq!(*cluster.health().borrow(), None);
}

fn change(of: &str, kind: EventType, value: Vec<u8>, revision: i64) -> Event {
    Event {
        r#type: kind.into(),
        kv: Some(KeyValue {
            key: format!("/rollcall/members/{of}:11800").into(),
            value: value.into(),
            mod_revision: revision,
            ..KeyValue::default()
        }),
    }
}

fn put(of: &str, revision: i64) -> Event {
    change(of, EventType::Put, entry::encode(&member(of)), revision)
}

fn delete(of: &str, revision: i64) -> Event {
    change(of, EventType::Delete, Vec::new(), revision)
}

#[test]
fn changes_are_applied_in_order_and_an_unreadable_entry_is_not_a_member() {
    let mut known = Keys::new();
    let seen: Vec<_> = [
        vec![put("a", 2)],
        vec![put("a", 3), delete("a", 4), put("a", 5)],
        vec![change("a", EventType::Put, b"{}".to_vec(), 6)],
        vec![put("a", 7), delete("a", 8)],
    ]
    .map(|events| {
        let response = WatchResponse {
            events,
            ..WatchResponse::default()
        };
        apply(&mut known, response);
        (known.len(), members(&known).count())
    })
    .into();
    assert_eq!(seen, [(1, 1), (1, 1), (1, 0), (0, 0)]);
}

/// The answer to a read of these members at this revision of the server.
fn listed<const N: usize>(revision: i64, of: [&str; N]) -> RangeResponse {
    let keys = of.map(|name| put(name, revision).kv.unwrap());
    RangeResponse {
        header: header(revision),
        kvs: keys.into(),
        ..RangeResponse::default()
    }
}

/// Waits until the view has these members.
async fn wait_for<const N: usize>(cluster: &Coordinated, names: [&str; N]) {
    let wanted = names.map(member);
    let mut view = cluster.view();
    let view = timeout(PATIENCE, view.wait_for(|view| view.members() == wanted));
    view.await.unwrap().unwrap();
}

#[tokio::test]
async fn after_a_broken_watch_the_members_are_read_again() {
    let mut server = Server::start().await;
    let (cluster, keeper) = cluster(server.client(), Duration::from_secs(10));
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper.run(CancellationToken::new()));

    server.admits("token").await;
    server.reads(Ok(listed(10, ["a", "b"]))).await;
    let watching = server.watches().await;
    assert_eq!(watching.from, 11);
    watching.created(12);
    drop(watching);
    server.reads(Ok(listed(12, ["a", "b", "c"]))).await;
    let watching = server.watches().await;
    assert_eq!(watching.from, 13);
    watching.created(20);
    watching.deliver(20, vec![put("d", 13), delete("b", 14)]);
    wait_for(&cluster, ["a", "c", "d"]).await;
    // etcd has compacted the revision that the watch is at.
    watching.cancelled("etcdserver: mvcc: required revision has been compacted");
    server.reads(Ok(listed(30, ["a", "d"]))).await;
    let watching = server.watches().await;
    assert_eq!(watching.from, 31);
    watching.created(30);
    wait_for(&cluster, ["a", "d"]).await;
}

/// A watch from a later revision than that of the server delivers nothing until the server reaches it.
#[tokio::test]
async fn an_etcd_that_was_replaced_by_an_earlier_state_is_followed_from_there() {
    let mut server = Server::start().await;
    let (cluster, keeper) = cluster(server.client(), Duration::from_secs(10));
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper.run(CancellationToken::new()));

    server.admits("token").await;
    server.reads(Ok(listed(10, ["a", "b"]))).await;
    let watching = server.watches().await;
    watching.created(10);
    drop(watching);
    server.reads(Ok(listed(4, ["a"]))).await;
    let watching = server.watches().await;
    assert_eq!(watching.from, 5);
    watching.created(4);
    watching.deliver(5, vec![put("c", 5)]);
    wait_for(&cluster, ["a", "c"]).await;
}
