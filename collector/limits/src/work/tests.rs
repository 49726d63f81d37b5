use std::{thread, time::Duration};

use tokio::sync::oneshot;

use super::{Error, FIELDS_PER_ELEMENT, FREE, INLINE, MAX_BATCH, Work};
use crate::{Budget, Peer, RefusalsFamily};

fn work(max_batch: usize, memory: usize) -> Work {
    Work::new(
        max_batch,
        Budget::new("work", memory),
        RefusalsFamily::default().reason("max_batch", MAX_BATCH),
    )
}

#[test]
fn elements_and_fields_are_counted_up_to_the_limit() {
    let mut count = work(10, 0).count();
    count.elements(4).unwrap();
    count.elements(6).unwrap();
    assert_eq!(count.total(), 10);
    let refused = count.elements(1).unwrap_err();
    assert_eq!(refused, Error::TooManyElements { limit: 10 });
    assert!(
        refused.to_string().contains("register.default.max_batch"),
        "{refused}"
    );
    assert!(count.elements(usize::MAX).is_err());

    let mut count = work(10, 0).count();
    let allowed = (0..).take_while(|_| count.field().is_ok()).count();
    assert_eq!(allowed, 11 * FIELDS_PER_ELEMENT - 1);
}

#[test]
fn small_messages_are_free_and_large_ones_are_charged_until_the_charge_is_dropped() {
    let work = work(1000, 100 << 10);
    let mut count = work.count();
    assert_eq!(work.charge(FREE, &count).unwrap().bytes(), 0);
    count.elements(100).unwrap();
    count.field().unwrap();
    let charge = work.charge(1 << 10, &count).unwrap();
    assert_eq!(charge.bytes(), (1 << 10) + 100 * 512 + 32);
    let refused = work.charge(1 << 10, &count).unwrap_err();
    assert!(matches!(refused, Error::OverBudget(_)), "{refused:?}");
    drop(charge);
    drop(work.charge(1 << 10, &count).unwrap());
}

#[test]
fn the_messages_of_one_peer_take_at_most_three_quarters_of_the_budget() {
    let work = work(1, 100 << 10);
    let of = |last| work.for_peer(Some(Peer::new([10, 0, 0, last].into())));
    let (greedy, other) = (of(1), of(2));
    let held = greedy.charge_bytes(75 << 10).unwrap();
    let refused = greedy.charge_bytes(FREE + 1).unwrap_err();
    assert!(
        refused.to_string().starts_with("the share of 10.0.0.1 "),
        "{refused}"
    );
    let rest = other.charge_bytes(25 << 10).unwrap();
    work.charge_bytes(FREE + 1).unwrap_err();
    drop((held, rest));
    drop(greedy.charge_bytes(75 << 10).unwrap());
}

#[tokio::test]
async fn small_work_runs_on_the_caller_and_large_work_on_a_blocking_thread() {
    let here = thread::current().id();
    let work = work(1, 0);
    let small = work.run(INLINE, || thread::current().id()).await.unwrap();
    let large = work
        .run(INLINE + 1, || thread::current().id())
        .await
        .unwrap();
    assert_eq!(small, here);
    assert_ne!(large, here);
}

#[tokio::test]
async fn large_work_waits_for_a_permit_and_small_work_does_not() {
    let work = work(1, 0);
    // More than there are permits: each holds a blocking thread until it is released.
    let permits = work.shared.permits.available_permits();
    let (gates, mut holding): (Vec<_>, Vec<_>) = (0..permits)
        .map(|_| {
            let (gate, opened) = oneshot::channel::<()>();
            let held = work.run(INLINE + 1, move || opened.blocking_recv());
            (gate, Box::pin(held))
        })
        .unzip();
    for held in &mut holding {
        let waited = tokio::time::timeout(Duration::from_millis(1), held).await;
        assert!(waited.is_err(), "it holds its permit");
    }
    let mut next = Box::pin(work.run(INLINE + 1, || ()));
    let waited = tokio::time::timeout(Duration::from_millis(10), &mut next).await;
    assert!(waited.is_err(), "no permit is free");
    work.run(1, || ()).await.unwrap();
    drop(gates);
    next.await.unwrap();
}
