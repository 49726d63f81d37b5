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
    let behind = Listeners {
        grpc: proxy.address(),
        ..at
    };
    let (paused, paused_id) = started("paused", at).await;
    let lost = Beating::start(behind, "lost").await;
    for id in [paused_id, lost.id] {
        observed(&collector, id).await;
    }
    let paused_subject = Subject::from_now(&collector, paused_id).await;
    let lost_subject = Subject::from_now(&collector, lost.id).await;

    paused.signal(Signal::STOP);
    proxy.set(Link::Lost);
    paused_subject.once(&collector, "connection_closed").await;
    lost_subject.once(&collector, "connection_closed").await;
    let paused_timeline = paused_subject.once(&collector, "down").await;
    let lost_timeline = lost_subject.once(&collector, "down").await;
    paused.signal(Signal::CONT);

    let cause = |timeline| event(timeline, "connection_closed")["evidence"]["cause"].clone();
    assert_eq!(cause(&paused_timeline), "hung", "{paused_timeline:#}");
    assert_eq!(cause(&lost_timeline), "unreachable", "{lost_timeline:#}");
    let hangs = [
        "timed out because the process of the peer did not answer at",
        "Its machine acknowledged what was sent: the process is paused or hangs.",
    ];
    says(&why(&paused_timeline), &hangs);
    let fails = [
        "timed out because the machine of the peer did not answer at",
        "Nothing that was sent was acknowledged: its machine or the network failed.",
    ];
    says(&why(&lost_timeline), &fails);
}
