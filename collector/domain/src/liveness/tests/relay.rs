//! What other collectors observed.

use super::*;

#[test]
fn who_is_heard_of_elsewhere_is_up_here_and_by_the_relay_longer() {
    let lessor = granted(1);
    let told = |lessor: &Lessor<InstanceId>, number, last_seen| {
        lessor.relay(stored(number, last_seen, false), at(last_seen + RELAY))
    };
    assert_eq!(told(&lessor, 2, 0), Renewal::Granted);
    assert_eq!(told(&lessor, 1, 1_000), Renewal::Kept);
    assert_eq!(expire(&lessor, SILENT + RELAY - LATE), []);
    let silent = |lessor: &Lessor<InstanceId>, now| -> Vec<i32> {
        let silent = expire(lessor, now).into_iter();
        silent.map(|changed| changed.key.get()).collect()
    };
    assert_eq!(silent(&lessor, SILENT + RELAY + LATE), [2]);
    assert_eq!(silent(&lessor, SILENT + RELAY + 1_000 + LATE), [1]);
    let Renewal::Changed(back) = told(&lessor, 1, 2 * SILENT) else {
        panic!("it did not come back")
    };
    assert_eq!((back.to, back.last_seen), (State::Up, at(2 * SILENT)));
    assert_eq!(lessor.view(id(1)).unwrap().last_seen, at(2 * SILENT));
}

#[test]
fn a_later_signal_counts_whoever_heard_it() {
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
        "it was heard of later than that"
    );
    assert_eq!(
        lessor.relay(stored(1, 10_500, false), at(11_000)),
        Renewal::Kept
    );
    assert_eq!(last_seen(&lessor), at(10_500));
}

#[test]
fn who_is_given_up_elsewhere_is_down_here_and_filed_once_when_it_comes_back() {
    let lessor = granted(2);
    let silent = expire(&lessor, SILENT + LATE);
    assert_eq!(silent.len(), 2);
    let _renewed = lessor.renew(id(2), Signal::Heartbeat, at(DOWN)).unwrap();
    for number in [1, 2] {
        let told = stored(number, DOWN, true);
        let Renewal::Changed(gone) = lessor.relay(told, at(DOWN)) else {
            panic!("{number} is not given up")
        };
        assert_eq!((gone.to, gone.at), (State::Down, at(DOWN)));
        assert_eq!(lessor.relay(told, at(DOWN)), Renewal::Kept, "no news");
    }
    assert_eq!(
        lessor.counts().filed,
        2,
        "their entries are still to come due"
    );
    let _renewed = lessor.renew(id(1), Signal::Heartbeat, at(DOWN + 1));
    assert_eq!(expire(&lessor, DOWN + SILENT), []);
    let Counts {
        up, down, filed, ..
    } = lessor.counts();
    assert_eq!((up, down, filed), (1, 1, 1));
}

#[test]
fn the_clock_of_another_collector_gives_nobody_up_and_holds_nobody_up() {
    let lessor = lessor();
    let slow = 10 * DOWN;
    let tell = |now: i64, told: LeaseRecord<InstanceId>| lessor.relay(told, at(now));
    for now in (0..10 * SILENT).step_by(60_000) {
        let _news = tell(now, stored(1, now - slow, false));
        assert_eq!(expire(&lessor, now), [], "at {now}");
    }
    let last = 10 * SILENT;
    let Renewal::Changed(gone) = tell(last, stored(1, last - slow, true)) else {
        panic!("it is not given up")
    };
    assert_eq!(gone.to, State::Down);
}

#[test]
fn a_clock_that_is_ahead_is_believed_as_far_as_clocks_may_differ() {
    let lessor = lessor();
    let told = |number, last_seen| lessor.relay(stored(number, last_seen, false), at(0));
    assert_eq!(told(1, RELAY / 2), Renewal::Granted);
    assert_eq!(told(2, 100 * DOWN), Renewal::Granted);
    let last_seen = |number| lessor.view(id(number)).unwrap().last_seen;
    assert_eq!(
        [last_seen(1), last_seen(2)],
        [at(RELAY / 2), at(RELAY)],
        "the first as it was said, so that all say the same of it"
    );
    let term = SILENT + RELAY;
    assert_eq!(expire(&lessor, term + RELAY / 2 - 1), []);
    assert_eq!(expire(&lessor, term + RELAY / 2 + LATE).len(), 1);
    assert_eq!(expire(&lessor, term + RELAY + LATE).len(), 1);
}

#[test]
fn who_moves_here_and_falls_quiet_is_found_out_no_later_than_others() {
    let lessor = lessor();
    assert_eq!(lessor.relay(stored(1, 0, false), at(0)), Renewal::Granted);
    let moved = 1_000;
    let _kept = lessor.renew(id(1), Signal::Heartbeat, at(moved)).unwrap();
    assert_eq!(expire(&lessor, moved + SILENT - 1), []);
    assert_eq!(expire(&lessor, moved + SILENT + LATE).len(), 1);
}

#[test]
fn what_another_collector_observed_is_not_reported() {
    let lessor = granted(2);
    let _kept = lessor.relay(stored(2, 2_000, false), at(3_000));
    let _granted = lessor.relay(stored(3, 2_000, false), at(2_500));
    let _renewed = lessor.renew(id(1), Signal::Heartbeat, at(2_000)).unwrap();
    let mut own = Vec::new();
    lessor.changed_since(at(2_600), all(10), &mut own);
    assert_eq!(own, []);
    lessor.changed_since(at(1_000), all(10), &mut own);
    let own: Vec<i32> = own.iter().map(|record| record.key.get()).collect();
    assert_eq!(own, [1]);
}
