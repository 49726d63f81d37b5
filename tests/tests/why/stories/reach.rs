//! Tests the explanations of a paused process and of a machine that has lost its network. Both are silent on an open connection.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_and_a_lost_network_have_different_correct_explanations() {
    let mut collector = options()
        .env("SW_SERVER_PING_INTERVAL", "1s")
        .env("SW_SERVER_PING_TIMEOUT", "4s")
        .start()
        .await;
    collector.expect_log("instance down");
    let at = collector.listeners();
    let proxy = Proxy::to(at.grpc).await;
    let through_proxy = Listeners {
        grpc: proxy.address(),
        ..at
    };
    let (paused, paused_id) = start_application("paused", at).await;
    let lost = HeartbeatClient::start(through_proxy, "lost").await;
    for id in [paused_id, lost.id] {
        interval_is_observed(&collector, id).await;
    }
    let paused_story = Story::begin(&collector, paused_id).await;
    let lost_story = Story::begin(&collector, lost.id).await;

    paused.signal(Signal::STOP);
    proxy.set(Link::Lost);
    paused_story.until(&collector, "connection_closed").await;
    lost_story.until(&collector, "connection_closed").await;
    let paused_timeline = paused_story.until(&collector, "down").await;
    let lost_timeline = lost_story.until(&collector, "down").await;
    paused.signal(Signal::CONT);

    let cause = |timeline| last_event(timeline, "connection_closed")["evidence"]["cause"].clone();
    assert_eq!(cause(&paused_timeline), "hung", "{paused_timeline:#}");
    assert_eq!(cause(&lost_timeline), "unreachable", "{lost_timeline:#}");
    let hangs = [
        "timed out because the process of the peer did not answer at",
        "Its machine acknowledged what was sent: the process is paused or hangs.",
    ];
    assert_contains(&sentence(&paused_timeline), &hangs);
    let fails = [
        "timed out because the machine of the peer did not answer at",
        "Nothing that was sent was acknowledged: its machine or the network failed.",
    ];
    assert_contains(&sentence(&lost_timeline), &fails);
}
