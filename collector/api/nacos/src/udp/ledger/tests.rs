use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn ledger() -> Ledger<&'static str> {
    Ledger::new(1_795_622_140_553)
}

#[tokio::test(start_paused = true)]
async fn a_push_without_an_answer_is_sent_twice_and_then_has_failed() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let first = ledger.push(&"a", address(1), start).unwrap();
    assert!(first > 1_795_622_140_553_000 && first < 1 << 53);
    assert_eq!(ledger.due(start + 9 * SECOND), None);
    assert_eq!(ledger.next_deadline(), Some(start + 10 * SECOND));
    let later = start + 10 * SECOND;
    assert_eq!(ledger.due(later), Some(Due::Resend("a")));
    let second = ledger.resend(&"a", address(1), later);
    assert!(second > first);
    assert_eq!(ledger.due(later + 9 * SECOND), None);
    assert_eq!(ledger.due(later + 10 * SECOND), Some(Due::Failed("a")));
    assert_eq!(ledger.due(later + 60 * SECOND), None);
    let counts = Counts {
        sent: 1,
        acknowledged: 0,
        failed: 1,
    };
    assert_eq!(ledger.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_push_is_not_sent_again() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let id = ledger.push(&"a", address(1), start).unwrap();
    assert!(ledger.acknowledge(id));
    assert!(!ledger.acknowledge(id), "the second time it is unknown");
    assert!(!ledger.acknowledge(0));
    assert_eq!(ledger.due(start + 60 * SECOND), None);
    assert_eq!(ledger.next_deadline(), None);
}

/// Nacos's own server sends the older list again after the newer one.
#[tokio::test(start_paused = true)]
async fn a_newer_push_cancels_the_resend_of_the_older_one() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let old = ledger.push(&"a", address(1), start).unwrap();
    let new = ledger.push(&"a", address(1), start + 9 * SECOND).unwrap();
    assert_eq!(ledger.due(start + 18 * SECOND), None);
    assert!(!ledger.acknowledge(old));
    assert!(ledger.acknowledge(new));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_never_answers_is_left_out_for_longer_and_longer() {
    let (mut ledger, mut now) = (ledger(), Instant::now());
    let mut silences = Vec::new();
    for _ in 0..8 {
        ledger.push(&"a", address(1), now).unwrap();
        now += RESEND_AFTER;
        assert_eq!(ledger.due(now), Some(Due::Resend("a")));
        ledger.resend(&"a", address(1), now);
        now += RESEND_AFTER;
        assert_eq!(ledger.due(now), Some(Due::Failed("a")));
        let failed = now;
        while ledger.is_silenced(address(1), now) {
            assert_eq!(ledger.push(&"a", address(1), now), None);
            now += SECOND;
        }
        silences.push((now - failed).as_secs());
        assert!(
            !ledger.is_silenced(address(2), failed),
            "another address still gets pushes"
        );
    }
    assert_eq!(silences, [20, 40, 80, 160, 320, 600, 600, 600]);
    let id = ledger.push(&"a", address(1), now).unwrap();
    assert!(ledger.acknowledge(id));
    assert_eq!(ledger.failing(), 0, "an answer clears all failures");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_push_leaves_no_entry_and_a_sweep_removes_an_old_failure() {
    let (mut ledger, start) = (ledger(), Instant::now());
    ledger.push(&"a", address(1), start).unwrap();
    ledger.cancel(&"a");
    ledger.cancel(&"b");
    assert_eq!(ledger.next_deadline(), None);
    ledger.push(&"a", address(1), start).unwrap();
    ledger.due(start + RESEND_AFTER).unwrap();
    ledger.resend(&"a", address(1), start);
    ledger.due(start + RESEND_AFTER).unwrap();
    assert_eq!(ledger.failing(), 1);
    ledger.sweep(start + 60 * SECOND);
    assert_eq!(ledger.failing(), 1);
    ledger.sweep(start + 700 * SECOND);
    assert_eq!(ledger.failing(), 0);
}
