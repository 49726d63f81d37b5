//! A collector that has lost its store meets agents that hold ids from before: they keep them, and nobody else gets them.
//!
//! With real agents this is a scenario of the conformance tests; here, every call by which an agent makes itself heard.

use std::collections::BTreeSet;

use rollcall_tests::{grpc, process::Collector, query::State};

/// Ids that a collector hands out early, so that an adopted one would soon be in the way.
const APPLICATION: i32 = 2;
const INSTANCE: i32 = 3;

/// A collector that knows nothing of the ids above, though an agent holds them.
async fn forgetful() -> Collector {
    let mut collector = Collector::start().await;
    let client = collector.grpc().await;
    assert_eq!(client.application("first").await.unwrap(), -1);
    assert_eq!(client.application("orders").await.unwrap(), APPLICATION);
    for (uuid, id) in [("a", 1), ("b", 2), ("c", INSTANCE)] {
        assert_eq!(client.instance(APPLICATION, uuid).await.unwrap(), id);
    }
    collector.kill();
    collector.lose_store();
    collector.restart().await;
    assert!(collector.query().applications().await.unwrap().is_empty());
    collector
}

async fn new_instances(client: &grpc::Client, application: i32, prefix: &str) -> BTreeSet<i32> {
    let mut ids = BTreeSet::new();
    for number in 0..10 {
        ids.insert(
            client
                .instance(application, &format!("{prefix}-{number}"))
                .await
                .unwrap(),
        );
    }
    ids
}

/// The instance is there, up, adopted, and its id is passed over from then on, over a restart too.
async fn assert_adopted(mut collector: Collector) {
    for round in ["before", "after"] {
        let instance = collector.query().instance(INSTANCE).await.unwrap();
        assert_eq!(
            (instance.id, instance.adopted, instance.uuid),
            (INSTANCE, true, None)
        );
        if round == "before" {
            assert_eq!(instance.state, State::Up);
        }
        let client = collector.grpc().await;
        let other = client.application("other").await.unwrap();
        assert_eq!(other, -1);
        assert!(
            !new_instances(&client, other, round)
                .await
                .contains(&INSTANCE)
        );
        collector.restart().await;
    }
}

#[tokio::test]
async fn a_heartbeat_of_an_unknown_instance_adopts_it() {
    let collector = forgetful().await;
    collector.grpc().await.heartbeat(INSTANCE).await.unwrap();
    assert_adopted(collector).await;
}

#[tokio::test]
async fn jvm_metrics_of_an_unknown_instance_adopt_it() {
    let collector = forgetful().await;
    collector.grpc().await.jvm_metrics(INSTANCE).await.unwrap();
    assert_adopted(collector).await;
}

#[tokio::test]
async fn recovery_of_an_unknown_instance_adopts_it_with_its_application() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    client.recover(APPLICATION, INSTANCE).await.unwrap();
    let instance = collector.query().instance(INSTANCE).await.unwrap();
    assert_eq!(instance.application_id, Some(APPLICATION));
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(
        client.application("a third").await.unwrap(),
        -2,
        "2 belongs to the agent that recovered"
    );
}

#[tokio::test]
async fn an_instance_of_an_unknown_application_is_registered_under_that_id() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    let instance = client.instance(APPLICATION, "d").await.unwrap();
    assert_eq!(
        collector
            .query()
            .instance(instance)
            .await
            .unwrap()
            .application_id,
        Some(APPLICATION)
    );
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(client.application("a third").await.unwrap(), -2);
}

#[tokio::test]
async fn adopted_ids_do_not_move_the_sequence() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    client.recover(i32::MAX, i32::MAX).await.unwrap();
    client.recover(i32::MIN, i32::MAX - 1).await.unwrap();
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(client.instance(-1, "d").await.unwrap(), 1);
}
