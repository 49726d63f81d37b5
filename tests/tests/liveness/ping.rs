//! Tests that a member reports an id as unknown only after it has read the store, because that answer resets the agent for ten
//! minutes.

use rollcall_tests::{PATIENCE, cluster::Cluster, eventually, grpc::is_reset, proxy::Link};
use tonic::Code;

/// The number of agents that register at one member and ping the other.
const AGENTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_not_reset_by_a_member_that_has_not_caught_up() {
    let mut cluster = Cluster::start(2).await;
    cluster.expect_trouble();
    for member in &mut cluster.members {
        // The last ping below has an id that the store does not know. The store began empty, so the member starts a listening
        // period.
        member.collector.expect_log("listening, new ids");
    }
    let one = cluster.members[0].collector.grpc().await;
    let other = cluster.members[1].collector.grpc().await;
    let application = one.application("orders").await.unwrap();
    for number in 0..AGENTS {
        let uuid = format!("at once {number}");
        let instance = one.instance(application, &uuid).await.unwrap();
        let answer = other.ping(instance, &uuid).await.unwrap();
        assert!(!is_reset(&answer), "instance {instance}");
    }
    for link in [Link::Refusing, Link::Stalled] {
        cluster.members[1].engine_link.set(link);
        for number in 0..AGENTS {
            let uuid = format!("{link:?} {number}");
            let instance = one.instance(application, &uuid).await.unwrap();
            let refused = other.ping(instance, &uuid).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{refused}");
            if number > 2 && link == Link::Stalled {
                // Each of these pings waits for its deadline, so a few are enough.
                break;
            }
        }
        let uuid = format!("{link:?} 0");
        let instance = one.instance(application, &uuid).await.unwrap();
        cluster.members[1].engine_link.set(Link::Whole);
        eventually(PATIENCE, async || {
            let answer = other.ping(instance, &uuid).await;
            let answer = answer.map_err(|status| status.to_string())?;
            assert!(!is_reset(&answer), "instance {instance}");
            Ok::<_, String>(())
        })
        .await;
    }
    let never_assigned = 4_711;
    let answer = other.ping(never_assigned, "another").await.unwrap();
    assert!(is_reset(&answer), "the store has no such id");
}
