//! Instances that leave, and instances that are forgotten.

use super::*;

fn report(number: i32, last_seen: i64, state: State) -> LeaseRecord<InstanceId> {
    LeaseRecord {
        signal: Signal::Leave,
        state,
        ..stored(number, last_seen, false)
    }
}

#[test]
fn a_goodbye_is_a_state_of_its_own_until_the_next_signal() {
    let lessor = granted(1);
    let Some(Renewal::Changed(left)) = lessor.leave(id(1), at(5_000)) else {
        panic!("it has not left")
    };
    assert_eq!((left.from, left.to), (State::Up, State::Left));
    assert_eq!((left.last_seen, left.signal), (at(5_000), Signal::Leave));
    assert_eq!(lessor.leave(id(1), at(6_000)), Some(Renewal::Kept));
    assert_eq!(expire_until(&lessor, 0, 2 * DOWN), [], "it stays left");
    assert_eq!(lessor.counts().left, 1);
    let back = lessor.renew(id(1), Signal::Register, at(2 * DOWN));
    assert!(matches!(back, Some(Renewal::Changed(_))), "{back:?}");
    let usual = lessor.view(id(1)).unwrap().usual;
    assert_eq!(
        usual,
        Duration::ZERO,
        "the time after a goodbye is not an interval"
    );
    assert_eq!(expire(&lessor, 2 * DOWN + SILENT + LATE).len(), 1);
    assert_eq!(lessor.leave(id(2), at(0)), None);
}

#[test]
fn calls_under_way_at_a_goodbye_do_not_bring_the_instance_back() {
    let lessor = granted(1);
    let _left = lessor.leave(id(1), at(5_000));
    let renew = |signal, now| lessor.renew(id(1), signal, at(now)).unwrap();
    for signal in [Signal::JvmMetrics, Signal::Heartbeat] {
        assert_eq!(renew(signal, 5_500), Renewal::Kept);
    }
    assert_eq!(state(&lessor, 1), State::Left);
    assert!(matches!(
        renew(Signal::JvmMetrics, 15_000),
        Renewal::Changed(_)
    ));
    let _left = lessor.leave(id(1), at(16_000));
    assert!(matches!(
        renew(Signal::Heartbeat, 26_000),
        Renewal::Changed(_)
    ));
    let _left = lessor.leave(id(1), at(30_000));
    assert!(matches!(
        renew(Signal::Recover, 30_001),
        Renewal::Changed(_)
    ));
}

#[test]
fn a_goodbye_is_applied_from_other_collectors_and_survives_a_restart() {
    let lessor = granted(2);
    let _renewed = lessor.renew(id(2), Signal::Heartbeat, at(9_000));
    let left = lessor.relay(report(1, 8_000, State::Left), at(9_500));
    assert!(matches!(left, Renewal::Changed(_)), "{left:?}");
    let stale = lessor.relay(report(2, 8_000, State::Left), at(9_500));
    assert_eq!(
        stale,
        Renewal::Kept,
        "this collector observed a later signal"
    );
    let late = lessor.relay(report(1, 8_000, State::Down), at(9_500));
    assert_eq!(late, Renewal::Kept, "left is the later state");
    lessor.restore(report(3, -8_000, State::Left), at(0));
    assert_eq!(lessor.view(id(3)).unwrap().since, at(-8_000));
    assert_eq!(
        [1, 2, 3].map(|number| state(&lessor, number)),
        [State::Left, State::Up, State::Left]
    );
}

#[test]
fn old_down_or_left_instances_are_forgotten_until_a_signal() {
    let lessor = granted(2);
    let _left = lessor.leave(id(2), at(0));
    for now in [SILENT, DOWN, FORGET - 1] {
        expire(&lessor, now);
    }
    let Counts { down, left, .. } = lessor.counts();
    assert_eq!((down, left), (1, 1));
    // The delay is up to a 4096th of that time.
    let late = FORGET / 4096 + LATE;
    expire(&lessor, FORGET + DOWN + late);
    let forgotten = Counts {
        forgotten: 2,
        ..Counts::default()
    };
    assert_eq!(lessor.counts(), forgotten);
    let view = lessor.view(id(1)).unwrap();
    assert!(view.forgotten && view.state == State::Down);
    let now = 2 * FORGET;
    let back = lessor.renew(id(1), Signal::Register, at(now));
    assert!(matches!(back, Some(Renewal::Changed(_))));
    assert!(!lessor.view(id(1)).unwrap().forgotten);
    let Counts { up, forgotten, .. } = lessor.counts();
    assert_eq!((up, forgotten), (1, 1));
}

#[test]
fn an_instance_that_returns_is_forgotten_a_full_time_after_its_next_end() {
    let lessor = granted(1);
    let _left = lessor.leave(id(1), at(0));
    let _back = lessor.renew(id(1), Signal::Recover, at(FORGET / 2));
    let _left = lessor.leave(id(1), at(FORGET / 2 + 1));
    let late = FORGET / 4096 + LATE;
    expire(&lessor, FORGET + late);
    assert_eq!((lessor.counts().left, lessor.counts().forgotten), (1, 0));
    expire(&lessor, FORGET + FORGET / 2 + 2 * late);
    assert_eq!((lessor.counts().left, lessor.counts().forgotten), (0, 1));
}

#[test]
fn an_instance_down_before_a_restart_is_forgotten_soon_after_it() {
    let lessor = lessor();
    lessor.restore(stored(1, -2 * FORGET, true), at(0));
    lessor.restore(stored(2, -2 * DOWN, true), at(0));
    expire(&lessor, 1_000);
    assert_eq!((lessor.counts().down, lessor.counts().forgotten), (1, 1));
}

#[test]
fn only_an_instance_that_is_down_or_left_is_forgotten_early() {
    let lessor = granted(3);
    let _left = lessor.leave(id(2), at(0));
    let forgotten = [1, 2, 4].map(|number| lessor.forget(id(number)));
    assert_eq!(forgotten, [false, true, false]);
    for now in [SILENT + LATE, DOWN + LATE] {
        expire(&lessor, now);
    }
    let forgotten = [1, 2, 3].map(|number| lessor.forget(id(number)));
    assert_eq!(forgotten, [true; 3], "a repetition is not an error");
    let all = Counts {
        forgotten: 3,
        ..Counts::default()
    };
    assert_eq!(lessor.counts(), all);
    // An instance is not counted twice, either at its regular time or by a removal.
    expire(&lessor, 2 * FORGET);
    assert_eq!(lessor.counts(), all);
    let back = lessor.renew(id(1), Signal::Heartbeat, at(2 * FORGET));
    assert!(matches!(back, Some(Renewal::Changed(_))));
    let Counts { up, forgotten, .. } = lessor.counts();
    assert_eq!((up, forgotten), (1, 2));
}

#[test]
fn a_forgotten_instance_stays_forgotten_after_a_restart_and_at_other_collectors() {
    let lessor = granted(1);
    let _left = lessor.leave(id(1), at(0));
    assert!(lessor.forget(id(1)));
    let stored = lessor.record(id(1)).unwrap();
    assert!(stored.forgotten);
    let is_forgotten = |of: &Lessor<InstanceId>| of.view(id(1)).unwrap().forgotten;
    let restarted = self::lessor();
    restarted.restore(stored, at(0));
    assert!(is_forgotten(&restarted));
    let all = Counts {
        forgotten: 1,
        ..Counts::default()
    };
    assert_eq!(restarted.counts(), all);
    // Another collector that has not seen it, one that lists it as left, and one that received a later signal.
    let [new, lists, later] = [(); 3].map(|()| self::lessor());
    let _granted = new.relay(stored, at(0));
    let listed = LeaseRecord {
        forgotten: false,
        ..stored
    };
    let _granted = lists.relay(listed, at(0));
    assert!(!is_forgotten(&lists));
    let _kept = lists.relay(stored, at(0));
    let _granted = later.grant(id(1), Signal::Register, at(0));
    let _kept = later.renew(id(1), Signal::Heartbeat, at(2_000));
    let _left = later.leave(id(1), at(2_001));
    let _kept = later.relay(stored, at(3_000));
    assert_eq!(
        [&new, &lists, &later].map(is_forgotten),
        [true, true, false]
    );
    // If the store refuses the change, the instance is listed again.
    lists.recall(id(1));
    assert!(!is_forgotten(&lists));
    assert_eq!(lists.counts().left, 1);
}
