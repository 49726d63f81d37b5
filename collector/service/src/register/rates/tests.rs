use std::time::Duration;

use rollcall_limits::Peer;
use rollcall_metrics::Metrics;
use tokio::time::advance;

use super::{Kind, Limits, Rates};

const LIMITS: Limits = Limits {
    per_second: 10,
    burst: 100,
};

fn peer(last: u8) -> Peer {
    Peer::new([10, 0, 0, last].into())
}

#[tokio::test(start_paused = true)]
async fn a_peer_has_its_burst_and_then_its_rate() {
    let rates = Rates::new(LIMITS, &Metrics::new());
    let take = |wanted| rates.take(Kind::Registration, peer(1), wanted);
    assert_eq!(take(60), 60);
    assert_eq!(take(60), 40);
    assert_eq!(take(1), 0);
    advance(Duration::from_millis(250)).await;
    assert_eq!(take(5), 2);
    advance(Duration::from_secs(3600)).await;
    assert_eq!(take(1000), 100, "never more than the burst");
}

#[tokio::test(start_paused = true)]
async fn peers_and_kinds_do_not_use_up_each_others_allowance() {
    let rates = Rates::new(LIMITS, &Metrics::new());
    assert_eq!(rates.take(Kind::ForeignId, peer(1), 1000), 100);
    assert_eq!(rates.take(Kind::ForeignId, peer(1), 1), 0);
    assert_eq!(rates.take(Kind::Adoption, peer(1), 1000), 100);
    assert_eq!(rates.take(Kind::Registration, peer(1), 1000), 100);
    assert_eq!(rates.take(Kind::ForeignId, peer(2), 1000), 100);
    assert_eq!(rates.take(Kind::Relayed, peer(1), 10_000), 1600);
}

#[tokio::test(start_paused = true)]
async fn the_largest_limits_do_not_overflow() {
    let limits = Limits {
        per_second: usize::MAX,
        burst: usize::MAX,
    };
    let rates = Rates::new(limits, &Metrics::new());
    for _ in 0..10 {
        assert_eq!(
            rates.take(Kind::Relayed, peer(1), usize::MAX / 100),
            usize::MAX / 100
        );
    }
}
