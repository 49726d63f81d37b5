use std::future::poll_fn;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

fn pings() -> Pings {
    Pings::new(TIMEOUT, &Arc::default())
}

/// A timer for an answer that is due after a whole timeout.
fn answer(pings: &Pings) -> Pin<Box<dyn Sleep>> {
    let mut timer = pings.sleep(Duration::from_secs(30));
    pings.reset(&mut timer, pings.now() + TIMEOUT);
    timer
}

async fn is_pending(timer: &mut Pin<Box<dyn Sleep>>) -> bool {
    poll_fn(|context| Poll::Ready(timer.as_mut().poll(context).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_judged_after_one_turn_more() {
    let (pings, start) = (pings(), Instant::now());
    answer(&pings).await;
    let took = start.elapsed();
    assert!(
        (TIMEOUT + TURN..TIMEOUT + 2 * TURN).contains(&took),
        "{took:?}"
    );
    assert!(!pings.has_stalled());
}

#[tokio::test(start_paused = true)]
async fn after_a_stall_the_peer_has_a_whole_timeout_again() {
    let pings = pings();
    let mut timer = answer(&pings);
    assert!(is_pending(&mut timer).await);
    // The process is paused: no timer fires meanwhile.
    time::advance(2 * TIMEOUT).await;
    let start = Instant::now();
    assert!(is_pending(&mut timer).await, "the collector reads first");
    assert!(pings.has_stalled());
    timer.await;
    let took = start.elapsed();
    assert!((TIMEOUT..TIMEOUT + TURN).contains(&took), "{took:?}");
    assert_eq!(pings.0.stats.pings_extended(), 1);
    time::advance(2 * TIMEOUT).await;
    assert!(!pings.has_stalled(), "it was long ago");
}

#[tokio::test(start_paused = true)]
async fn a_short_delay_gives_the_collector_time_to_read_once() {
    let pings = pings();
    let mut timer = answer(&pings);
    time::advance(TIMEOUT + STALL / 2).await;
    assert!(is_pending(&mut timer).await);
    time::advance(2 * STALL + STALL / 2).await;
    assert!(
        !is_pending(&mut timer).await,
        "a busy collector judges, too"
    );
}

#[tokio::test(start_paused = true)]
async fn the_interval_between_two_pings_is_kept() {
    let (pings, start) = (pings(), Instant::now());
    pings.sleep(Duration::from_secs(30)).await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30) + TURN, "{took:?}");
}
