//! Reports of other collectors.

use super::*;

#[test]
fn an_instance_seen_by_another_collector_is_up_for_the_relay_term_longer() {
    let lessor = granted(1);
    let relay = |lessor: &Lessor<InstanceId>, number, last_seen| {
        lessor.relay(stored(number, last_seen, false), at(last_seen + RELAY))
    };
    assert_eq!(relay(&lessor, 2, 0), Renewal::Granted);
    assert_eq!(relay(&lessor, 1, 1_000), Renewal::Kept);
    assert_eq!(expire(&lessor, SILENT + RELAY - LATE), []);
    let silent = |lessor: &Lessor<InstanceId>, now| -> Vec<i32> {
        let silent = expire(lessor, now).into_iter();
        silent.map(|changed| changed.key.get()).collect()
    };
    assert_eq!(silent(&lessor, SILENT + RELAY + LATE), [2]);
    assert_eq!(silent(&lessor, SILENT + RELAY + 1_000 + LATE), [1]);
    let Renewal::Changed(back) = relay(&lessor, 1, 2 * SILENT) else {
        panic!("it is not up again")
    };
    assert_eq!((back.to, back.last_seen), (State::Up, at(2 * SILENT)));
    assert_eq!(lessor.view(id(1)).unwrap().last_seen, at(2 * SILENT));
}

#[test]
fn the_later_signal_counts_from_any_collector() {
    let lessor = granted(1);
    let last_seen = |lessor: &Lessor<InstanceId>| lessor.view(id(1)).unwrap().last_seen;
    let _renewed = lessor.renew(id(1), Signal::JvmMetrics, at(10_000)).unwrap();
    assert_eq!(
        lessor.relay(stored(1, 9_000, false), at(11_000)),
        Renewal::Kept
    );
    assert_eq!(last_seen(&lessor), at(10_000));
    assert_eq!(
        lessor.relay(stored(1, 9_000, true), at(11_000)),
        Renewal::Kept
    );
    assert_eq!(
        state(&lessor, 1),
        State::Up,
        "this collector observed a later signal"
    );
    assert_eq!(
        lessor.relay(stored(1, 10_500, false), at(11_000)),
        Renewal::Kept
    );
    assert_eq!(last_seen(&lessor), at(10_500));
}

#[test]
fn an_instance_reported_down_is_down_here_and_is_filed_once_when_it_returns() {
    let lessor = granted(2);
    let silent = expire(&lessor, SILENT + LATE);
    assert_eq!(silent.len(), 2);
    let _renewed = lessor.renew(id(2), Signal::Heartbeat, at(DOWN)).unwrap();
    for number in [1, 2] {
        let report = stored(number, DOWN, true);
        let Renewal::Changed(ended) = lessor.relay(report, at(DOWN)) else {
            panic!("{number} is not down")
        };
        assert_eq!((ended.to, ended.at), (State::Down, at(DOWN)));
        assert_eq!(
            lessor.relay(report, at(DOWN)),
            Renewal::Kept,
            "the same report again"
        );
    }
    assert_eq!(
        lessor.counts().filed,
        2,
        "their entries have not come due yet"
    );
    let _renewed = lessor.renew(id(1), Signal::Heartbeat, at(DOWN + 1));
    assert_eq!(expire(&lessor, DOWN + SILENT), []);
    let Counts {
        up, down, filed, ..
    } = lessor.counts();
    assert_eq!((up, down, filed), (1, 1, 1));
}

#[test]
fn the_clock_of_another_collector_neither_expires_nor_keeps_an_instance() {
    let lessor = lessor();
    let slow = 10 * DOWN;
    let relay = |now: i64, report: LeaseRecord<InstanceId>| lessor.relay(report, at(now));
    for now in (0..10 * SILENT).step_by(60_000) {
        let _news = relay(now, stored(1, now - slow, false));
        assert_eq!(expire(&lessor, now), [], "at {now}");
    }
    let last = 10 * SILENT;
    let Renewal::Changed(ended) = relay(last, stored(1, last - slow, true)) else {
        panic!("it is not down")
    };
    assert_eq!(ended.to, State::Down);
}

#[test]
fn a_clock_that_is_ahead_counts_up_to_the_allowed_difference() {
    let lessor = lessor();
    let relay = |number, last_seen| lessor.relay(stored(number, last_seen, false), at(0));
    assert_eq!(relay(1, RELAY / 2), Renewal::Granted);
    assert_eq!(relay(2, 100 * DOWN), Renewal::Granted);
    let last_seen = |number| lessor.view(id(number)).unwrap().last_seen;
    assert_eq!(
        [last_seen(1), last_seen(2)],
        [at(RELAY / 2), at(RELAY)],
        "the first as reported, so that all collectors agree"
    );
    let term = SILENT + RELAY;
    assert_eq!(expire(&lessor, term + RELAY / 2 - 1), []);
    assert_eq!(expire(&lessor, term + RELAY / 2 + LATE).len(), 1);
    assert_eq!(expire(&lessor, term + RELAY + LATE).len(), 1);
}

#[test]
fn an_instance_that_moves_here_is_silent_after_the_usual_term() {
    let lessor = lessor();
    assert_eq!(lessor.relay(stored(1, 0, false), at(0)), Renewal::Granted);
    let moved = 1_000;
    let _kept = lessor.renew(id(1), Signal::Heartbeat, at(moved)).unwrap();
    assert_eq!(expire(&lessor, moved + SILENT - 1), []);
    assert_eq!(expire(&lessor, moved + SILENT + LATE).len(), 1);
}

#[test]
fn signals_that_another_collector_observed_are_not_reported() {
    let lessor = granted(2);
    let _kept = lessor.relay(stored(2, 2_000, false), at(3_000));
    let _granted = lessor.relay(stored(3, 2_000, false), at(2_500));
    let _renewed = lessor.renew(id(1), Signal::Heartbeat, at(2_000)).unwrap();
    let mut own = Vec::new();
    lessor.changed_since(at(2_600), all(10), &mut own);
    assert_eq!(own, []);
    lessor.changed_since(at(1_000), all(10), &mut own);
    assert_eq!(own, [id(1)]);
    assert_eq!((lessor.record(id(2)), lessor.record(id(3))), (None, None));
}
