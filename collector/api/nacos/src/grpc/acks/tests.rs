use super::*;

const RETRIES: Retries = Retries {
    after: Duration::from_millis(5000),
    pause: Duration::from_millis(1000),
    most: 2,
};

fn acks() -> Acks<&'static str, &'static str> {
    Acks::new(RETRIES)
}

fn check_deadlines(
    acks: &mut Acks<&'static str, &'static str>,
    now: u64,
) -> (Lapsed, Vec<&'static str>) {
    let mut repeated = Vec::new();
    let lapsed = acks.check_deadlines(now, |handle| repeated.push(*handle));
    (lapsed, repeated)
}

#[test]
fn a_push_without_an_answer_is_repeated_a_limited_number_of_times() {
    let mut acks = acks();
    acks.sent(&"s", "s", 1, 7, 0);
    let (mut now, mut sent, mut given_up) = (0, 1, 0);
    while given_up == 0 {
        now += 500;
        let (lapsed, repeated) = check_deadlines(&mut acks, now);
        given_up = lapsed.given_up;
        for handle in repeated {
            sent += 1;
            acks.sent(&"s", handle, sent, 7, now);
        }
        assert!(now < 60_000);
    }
    assert_eq!((sent, now), (3, 3 * 5000 + 2 * 1000));
    assert!(!acks.is_waiting());
    // A change of the service resets the count of failures.
    acks.sent(&"s", "s", 9, 8, now);
    let (lapsed, _) = check_deadlines(&mut acks, now + 5000);
    assert_eq!(
        lapsed,
        Lapsed {
            failed: 1,
            given_up: 0
        }
    );
}

#[test]
fn a_change_between_repetitions_resets_the_count() {
    let mut acks = acks();
    for number in 0..10 {
        acks.sent(&"s", "s", number, number, number * 6000);
        let (lapsed, _) = check_deadlines(&mut acks, number * 6000 + 5000);
        assert_eq!(
            lapsed,
            Lapsed {
                failed: 1,
                given_up: 0
            }
        );
    }
}

#[test]
fn an_answer_ends_the_wait() {
    let mut acks = acks();
    acks.sent(&"s", "s", 1, 7, 0);
    assert_eq!(acks.acknowledge(1, true, 10), Some(Lapsed::default()));
    assert_eq!(acks.acknowledge(1, true, 10), None);
    assert!(!acks.is_waiting());
    assert_eq!(
        check_deadlines(&mut acks, 60_000),
        (Lapsed::default(), vec![])
    );
}

#[test]
fn a_refused_push_is_repeated_like_an_unanswered_one() {
    let mut acks = acks();
    acks.sent(&"s", "s", 1, 7, 0);
    assert_eq!(acks.acknowledge(1, false, 10).unwrap().failed, 1);
    assert_eq!(check_deadlines(&mut acks, 1009).1, [""; 0]);
    assert_eq!(check_deadlines(&mut acks, 1010).1, ["s"]);
}

#[test]
fn a_later_push_replaces_the_wait_for_an_earlier_one() {
    let mut acks = acks();
    acks.sent(&"s", "s", 1, 7, 0);
    acks.sent(&"s", "s", 2, 8, 100);
    assert_eq!(acks.acknowledge(1, true, 200), None);
    assert_eq!(check_deadlines(&mut acks, 5050).0, Lapsed::default());
    assert_eq!(check_deadlines(&mut acks, 5100).0.failed, 1);
    // A newer push is sent before this one is repeated, so this one is not repeated.
    acks.sent(&"s", "s", 3, 9, 5500);
    assert_eq!(
        check_deadlines(&mut acks, 7000),
        (Lapsed::default(), vec![])
    );
}

#[test]
fn nothing_is_repeated_after_the_end_of_a_subscription() {
    let mut acks = acks();
    acks.sent(&"s", "s", 1, 7, 0);
    acks.forget(&"s");
    assert_eq!(
        check_deadlines(&mut acks, 60_000),
        (Lapsed::default(), vec![])
    );
    acks.sent(&"s", "s", 2, 7, 0);
    check_deadlines(&mut acks, 5000);
    acks.forget(&"s");
    assert_eq!(
        check_deadlines(&mut acks, 60_000),
        (Lapsed::default(), vec![])
    );
}

#[test]
fn the_memory_of_answered_pushes_is_given_back() {
    let mut acks = acks();
    for number in 0..10_000 {
        acks.sent(&"s", "s", number, number, 0);
        acks.acknowledge(number, true, 0);
    }
    assert!(acks.deadlines.is_empty() && acks.repeats.is_empty());
    assert!(acks.by_number.is_empty() && acks.latest.is_empty());
}
