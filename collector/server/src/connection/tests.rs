use tokio::time::Instant;

use super::*;
use crate::drain::{CHECK_INTERVAL, CLOSE_TIME, PROGRESS, STALL_TIME};
use crate::fault::Exchange;
use crate::tests::{traffic_of, with_connection_budget};
use crate::traffic::{Reading, Working};

const GRACE: Duration = Duration::from_secs(60);

fn traffic() -> Arc<Traffic> {
    traffic_of(Serving::generous(), Protocol::Http2)
}

/// A request whose handler waits for bytes of its peer.
fn half_open(traffic: &Arc<Traffic>) -> (Working, Reading) {
    let exchange = Exchange::new(false);
    let reading = Reading::new(traffic, &exchange);
    reading.set_waiting(true);
    (traffic.begin().unwrap().with(Some(exchange)), reading)
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = future.await;
    (result, start.elapsed())
}

/// Whether a drain ended after `expected`, as exactly as its check interval allows.
fn is_about(took: Duration, expected: Duration) -> bool {
    (expected..expected + 2 * CHECK_INTERVAL).contains(&took)
}

#[tokio::test(start_paused = true)]
async fn a_request_during_the_close_time_is_answered_and_restarts_it() {
    let traffic = traffic();
    let first = traffic.begin().unwrap();
    let life = async {
        sleep(4 * CLOSE_TIME).await;
        drop(first);
        sleep(CLOSE_TIME / 2).await;
        let second = traffic.begin().unwrap();
        sleep(4 * CLOSE_TIME).await;
        drop(second);
    };
    let ((drained, ()), took) = timed(async { tokio::join!(drained(&traffic, GRACE), life) }).await;
    assert_eq!(drained, Drained::Idle);
    assert!(is_about(took, 9 * CLOSE_TIME + CLOSE_TIME / 2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_a_short_time_for_a_half_sent_request_and_an_unread_answer() {
    let traffic = traffic();
    let half_sent = half_open(&traffic);
    let (drained_half_sent, took) = timed(drained(&traffic, GRACE)).await;
    assert_eq!(drained_half_sent, Drained::Idle);
    assert!(is_about(took, STALL_TIME), "{took:?}");
    drop(half_sent);
    let answer = traffic.begin().unwrap().answer();
    let _piece = answer.piece();
    drop(answer);
    let (drained_unread, took) = timed(drained(&traffic, GRACE)).await;
    assert_eq!(drained_unread, Drained::Idle);
    assert!(is_about(took, STALL_TIME), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_handler_and_counts_what_it_cuts_off() {
    let traffic = traffic();
    let _half_sent = half_open(&traffic);
    let _working = traffic.begin().unwrap();
    let (drained, took) = timed(drained(&traffic, GRACE)).await;
    assert_eq!(drained, Drained::CutOff(1));
    assert!(is_about(took, GRACE), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_handler_beside_a_stream_that_is_answered_and_read() {
    let traffic = traffic();
    let (stream, reading) = half_open(&traffic);
    let _stream = stream.answer();
    let _working = traffic.begin().unwrap();
    assert_eq!(traffic.busy(), 1);
    for is_waiting in [false, true] {
        reading.set_waiting(is_waiting);
        assert_eq!(traffic.busy(), 1);
    }
    let (drained, took) = timed(drained(&traffic, GRACE)).await;
    assert_eq!(drained, Drained::CutOff(1));
    assert!(is_about(took, GRACE), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_peer_that_makes_progress_but_not_for_a_trickle() {
    for (bytes, end, expected) in [
        (PROGRESS, Drained::CutOff(1), GRACE),
        (1, Drained::Idle, STALL_TIME),
    ] {
        let traffic = traffic();
        let _half_sent = half_open(&traffic);
        let drip = async {
            loop {
                sleep(CHECK_INTERVAL * 5 + CHECK_INTERVAL / 2).await;
                traffic.receive(bytes);
            }
        };
        let (drained, took) = timed(async {
            tokio::select! {
                drained = drained(&traffic, GRACE) => drained,
                () = drip => unreachable!("the trickle never ends"),
            }
        })
        .await;
        assert_eq!(drained, end);
        assert!(is_about(took, expected), "{took:?}");
    }
}

/// Whether `stall` reports within `time` that the peer stalls. Polls it only when its timer wakes the task.
async fn stalls(stall: &mut Stall, traffic: &Traffic, time: Duration) -> bool {
    let watch = poll_fn(|context| stall.poll(traffic, context));
    timeout(time, watch).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_of_an_answer_stalls() {
    let traffic = traffic();
    let timeout = traffic.serving.limits.write_timeout;
    let mut stall = Stall::new();
    assert!(
        !stalls(&mut stall, &traffic, 10 * timeout).await,
        "no bytes wait for the peer"
    );
    let answer = traffic.begin().unwrap().answer();
    assert!(
        !stalls(&mut stall, &traffic, 10 * timeout).await,
        "the answer has no bytes yet"
    );
    let piece = answer.piece();
    for _ in 0..20 {
        piece.write(1);
        assert!(
            !stalls(&mut stall, &traffic, timeout / 2).await,
            "the peer reads some"
        );
    }
    assert!(stalls(&mut stall, &traffic, 2 * timeout).await);
}

#[tokio::test(start_paused = true)]
async fn a_piece_has_a_whole_timeout_after_any_pause() {
    let traffic = traffic();
    let timeout = traffic.serving.limits.write_timeout;
    let mut stall = Stall::new();
    let answer = traffic.begin().unwrap().answer();
    for _ in 0..20 {
        assert!(!stalls(&mut stall, &traffic, timeout * 9 / 10).await);
        let piece = answer.piece();
        assert!(!stalls(&mut stall, &traffic, timeout * 9 / 10).await);
        piece.write(1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_accepts_nothing_stalls() {
    let traffic = traffic();
    let timeout = traffic.serving.limits.write_timeout;
    let mut stall = Stall::new();
    traffic.block();
    assert!(!stalls(&mut stall, &traffic, timeout / 2).await);
    traffic.write(1);
    traffic.block();
    assert!(!stalls(&mut stall, &traffic, timeout * 9 / 10).await);
    assert!(stalls(&mut stall, &traffic, 2 * timeout).await);
}

#[test]
fn streams_are_charged_in_blocks_and_released() {
    let serving = with_connection_budget(1 << 20);
    let connections = serving.budgets.connections.clone();
    let charge = connections.try_charge(CONNECTION_COST).unwrap();
    let traffic = Traffic::new(
        serving.budgets.clone(),
        Arc::new(serving),
        Arc::default(),
        Protocol::Http2,
        charge,
    );
    let mut streams = Vec::new();
    while let Ok(working) = traffic.begin() {
        streams.push(working);
        assert!(connections.held() >= CONNECTION_COST);
    }
    assert_eq!(connections.refused(), 1);
    let most = connections.held();
    assert!((600_000..=3 << 18).contains(&most), "{most} of 1 MiB");
    streams.clear();
    traffic.settle();
    let places = connections.held() - CONNECTION_COST;
    assert!(places < most / 8, "{places} of {most}");
    // A released block is charged again, without its places in the tables of h2: they stayed charged.
    while let Ok(working) = traffic.begin() {
        streams.push(working);
    }
    assert_eq!(connections.held(), most);
    streams.clear();
    drop(traffic);
    assert_eq!(connections.held(), 0);
}
