//! What the lessor promises, seen from outside.

mod evidence;
mod goodbye;
mod race;
mod removal;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::InstanceId;

const SILENT: i64 = 120_000;
const DOWN: i64 = 300_000;
const RELAY: i64 = 60_000;
const FORGET: i64 = 100 * DOWN;
/// How late a state may be noticed.
const LATE: i64 = 100;

fn lessor() -> Lessor<InstanceId> {
    Lessor::new(Terms {
        silent_after: Duration::from_millis(SILENT.unsigned_abs()),
        down_after: Duration::from_millis(DOWN.unsigned_abs()),
        relay: Duration::from_millis(RELAY.unsigned_abs()),
        spread: Duration::ZERO,
        forget_after: Duration::from_millis(FORGET.unsigned_abs()),
    })
}

/// A collector that shares its store with no other one, and spreads what expires after a restart over this time.
fn alone(spread: i64) -> Lessor<InstanceId> {
    Lessor::new(Terms {
        relay: Duration::ZERO,
        spread: Duration::from_millis(spread.unsigned_abs()),
        ..lessor().terms()
    })
}

fn id(number: i32) -> InstanceId {
    InstanceId::new(number).unwrap()
}

fn at(millis: i64) -> Moment {
    Moment::from_millis(millis)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

fn expire(lessor: &Lessor<InstanceId>, now: i64) -> Vec<Transition<InstanceId>> {
    let mut changed = Vec::new();
    while lessor.expire(at(now), 3, &mut changed) {}
    changed
}

/// As [`expire`], every 50 milliseconds.
fn expire_until(lessor: &Lessor<InstanceId>, from: i64, to: i64) -> Vec<Transition<InstanceId>> {
    let looks = (from..=to).step_by(50);
    looks.flat_map(|now| expire(lessor, now)).collect()
}

/// A lessor with leases 1, 2 ... granted at 0.
fn granted(leases: i32) -> Lessor<InstanceId> {
    let lessor = lessor();
    grant(&lessor, leases);
    lessor
}

fn grant(lessor: &Lessor<InstanceId>, leases: i32) {
    for number in 1..=leases {
        let granted = lessor.grant(id(number), Signal::Register, at(0));
        assert_eq!(granted, Renewal::Granted);
    }
}

fn stored(number: i32, last_seen: i64, down: bool) -> LeaseRecord<InstanceId> {
    let state = if down { State::Down } else { State::Up };
    LeaseRecord {
        key: id(number),
        last_seen: at(last_seen),
        signal: Signal::Heartbeat,
        state,
        usual: Duration::ZERO,
    }
}

/// The keys of leases 1 to `last`.
fn all(last: i32) -> impl Iterator<Item = InstanceId> {
    (1..=last).map(id)
}

fn state(lessor: &Lessor<InstanceId>, number: i32) -> State {
    lessor.view(id(number)).unwrap().state
}

#[test]
fn a_quiet_instance_turns_silent_then_down_and_says_why() {
    let lessor = granted(1);
    assert_eq!(
        lessor.renew(id(1), Signal::JvmMetrics, at(1_000)),
        Some(Renewal::Kept)
    );
    assert_eq!(expire(&lessor, SILENT + 999), []);
    let silent = Transition {
        number: 1,
        key: id(1),
        from: State::Up,
        since: at(0),
        to: State::Silent,
        at: at(SILENT + 1_000),
        last_seen: at(1_000),
        signal: Signal::JvmMetrics,
    };
    assert_eq!(expire(&lessor, SILENT + 1_000), [silent]);
    assert_eq!(expire(&lessor, DOWN + 999), []);
    let down = Transition {
        number: 2,
        from: State::Silent,
        since: at(SILENT + 1_000),
        to: State::Down,
        at: at(DOWN + 1_000),
        ..silent
    };
    assert_eq!(expire(&lessor, DOWN + 1_000), [down]);
    assert_eq!(
        lessor.counts(),
        Counts {
            up: 0,
            silent: 0,
            down: 1,
            filed: 0,
            ..Counts::default()
        }
    );
}

#[test]
fn a_renewed_instance_stays_up() {
    let lessor = granted(1);
    for now in (0..10 * DOWN).step_by(60_000) {
        assert_eq!(
            lessor.renew(id(1), Signal::Heartbeat, at(now)),
            Some(Renewal::Kept)
        );
        assert_eq!(expire(&lessor, now), []);
    }
    assert_eq!(
        lessor.counts(),
        Counts {
            up: 1,
            silent: 0,
            down: 0,
            filed: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_signal_brings_back_whoever_was_silent_or_down() {
    for (quiet, from) in [(SILENT + LATE, State::Silent), (DOWN + SILENT, State::Down)] {
        let lessor = granted(1);
        expire(&lessor, SILENT);
        expire(&lessor, quiet);
        assert_eq!(state(&lessor, 1), from);
        let Some(Renewal::Changed(back)) = lessor.renew(id(1), Signal::Recover, at(quiet)) else {
            panic!("no transition from {from:?}")
        };
        assert_eq!((back.from, back.to), (from, State::Up));
        assert_eq!((back.last_seen, back.signal), (at(quiet), Signal::Recover));
        // The time that it was silent may be its usual pace, and the time that it was down is none yet.
        let usual = lessor.view(id(1)).unwrap().usual;
        assert_eq!(usual.is_zero(), from == State::Down);
        let term = millis(lessor.terms().of(usual).silent_after);
        assert_eq!(expire(&lessor, quiet + SILENT - 1), []);
        assert_eq!(expire(&lessor, quiet + term - 1), []);
        assert_eq!(expire(&lessor, quiet + term + LATE).len(), 1);
    }
}

#[test]
fn who_has_no_lease_is_not_renewed() {
    assert_eq!(lessor().renew(id(1), Signal::Heartbeat, at(0)), None);
    assert_eq!(lessor().view(id(1)), None);
}

#[test]
fn a_second_grant_renews() {
    let lessor = granted(1);
    expire(&lessor, SILENT);
    let again = lessor.grant(id(1), Signal::Register, at(SILENT));
    assert!(matches!(again, Renewal::Changed(_)));
    assert_eq!(
        lessor.counts(),
        Counts {
            up: 1,
            silent: 0,
            down: 0,
            filed: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_restored_lease_has_a_full_term_and_shows_when_it_was_really_seen() {
    const SPREAD: i64 = 10_000;
    let lessor = alone(SPREAD);
    lessor.restore(stored(1, -9 * DOWN, false), at(50));
    lessor.resume(at(70));
    let view = lessor.view(id(1)).unwrap();
    assert_eq!(
        (view.state, view.last_seen, view.since),
        (State::Up, at(-9 * DOWN), at(50))
    );
    assert_eq!(expire(&lessor, 70 + SILENT - 1), []);
    let silent = expire_until(&lessor, 70 + SILENT - 1, 70 + SILENT + SPREAD + LATE);
    assert_eq!(
        (silent[0].to, silent[0].last_seen),
        (State::Silent, at(-9 * DOWN))
    );
    let silent_at = silent[0].at.millis();
    assert_eq!(expire(&lessor, silent_at + DOWN - SILENT - 1), []);
    assert_eq!(expire(&lessor, silent_at + DOWN - SILENT + LATE).len(), 1);
}

#[test]
fn a_lease_restored_as_down_stays_so_until_it_is_renewed() {
    let lessor = alone(0);
    lessor.restore(stored(1, -2 * DOWN, true), at(0));
    assert_eq!(lessor.view(id(1)).unwrap().since, at(-DOWN));
    assert_eq!(expire(&lessor, 10 * DOWN), []);
    assert!(matches!(
        lessor.renew(id(1), Signal::Heartbeat, at(10 * DOWN)),
        Some(Renewal::Changed(_))
    ));
    assert_eq!(expire(&lessor, 10 * DOWN + SILENT + LATE).len(), 1);
}

#[test]
fn a_stall_gives_every_instance_a_full_term() {
    let lessor = granted(1);
    lessor.resume(at(2 * DOWN));
    lessor.resume(at(DOWN));
    assert_eq!(expire(&lessor, 2 * DOWN + SILENT - 1), []);
    let silent = expire(&lessor, 2 * DOWN + SILENT + LATE);
    assert_eq!(silent.len(), 1);
    lessor.resume(at(3 * DOWN));
    assert_eq!(
        expire(&lessor, 3 * DOWN + DOWN - 1),
        [],
        "silent, and no longer"
    );
    assert_eq!(expire(&lessor, 3 * DOWN + DOWN + LATE).len(), 1);
}

#[test]
fn expiry_is_bounded_per_call() {
    let lessor = granted(10);
    let mut changed = Vec::new();
    assert!(lessor.expire(at(SILENT), 4, &mut changed));
    assert_eq!(changed.len(), 4);
    while lessor.expire(at(SILENT), 4, &mut changed) {}
    assert_eq!(changed.len(), 10);
}

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

#[test]
fn each_lease_that_changed_is_reported() {
    let lessor = granted(10);
    for number in [2, 9] {
        let renewed = lessor.renew(id(number), Signal::TraceSegment, at(500));
        assert_eq!(renewed, Some(Renewal::Kept));
    }
    let walk = |since| {
        let mut records = Vec::new();
        lessor.changed_since(at(since), all(20), &mut records);
        records
            .iter()
            .map(|record| record.key.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(walk(500), [2, 9]);
    assert_eq!(walk(0), (1..=10).collect::<Vec<_>>());
    expire(&lessor, SILENT);
    assert_eq!(walk(501).len(), 8, "a change of state is one, too");
}

#[derive(Clone, Debug)]
enum Step {
    Renew(i32),
    Pass(i64),
}

proptest! {
    /// The states follow from the moments of the last signals, and the transitions tell the whole story.
    #[test]
    fn states_agree_with_the_terms(
        steps in prop::collection::vec(
            prop_oneof![
                2 => (1..5_i32).prop_map(Step::Renew),
                1 => (1..SILENT / 2).prop_map(Step::Pass),
            ],
            1..120,
        ),
    ) {
        let lessor = lessor();
        let mut heard: HashMap<i32, i64> = HashMap::new();
        let mut longest: HashMap<i32, i64> = HashMap::new();
        let mut story: HashMap<i32, (State, i64)> = HashMap::new();
        let (mut now, mut count) = (0, 0);
        for step in steps {
            let changed = match step {
                Step::Renew(number) => {
                    let before = heard.insert(number, now).unwrap_or(now);
                    let gap = longest.entry(number).or_default();
                    *gap = (now - before).max(*gap);
                    story.entry(number).or_insert((State::Up, now));
                    match lessor.grant(id(number), Signal::Heartbeat, at(now)) {
                        Renewal::Granted | Renewal::Kept => vec![],
                        Renewal::Changed(back) => vec![back],
                    }
                }
                // Looks often enough that the lateness of a look is small.
                Step::Pass(gap) => (0..gap).step_by(50).flat_map(|_| { now += 50; expire(&lessor, now) }).collect(),
            };
            for transition in changed {
                count += 1;
                prop_assert_eq!(transition.number, count);
                let number = transition.key.get();
                let before = (transition.from, transition.since.millis());
                prop_assert_eq!(story.insert(number, (transition.to, transition.at.millis())), Some(before));
                prop_assert_eq!(transition.last_seen.millis(), heard[&number]);
            }
            for (number, heard) in &heard {
                let view = lessor.view(id(*number)).unwrap();
                prop_assert_eq!((view.state, view.since.millis()), story[number]);
                let gap = Duration::from_millis(longest[number].unsigned_abs());
                let most = lessor.terms().of(gap);
                let (earliest, latest) = match view.state {
                    State::Up => (0, millis(most.silent_after) + 2 * LATE),
                    State::Silent => (SILENT, millis(most.down_after) + 4 * LATE),
                    State::Down => (DOWN, i64::MAX),
                    State::Left => unreachable!("none says goodbye here"),
                };
                let age = now - heard;
                prop_assert!((earliest..latest).contains(&age), "{:?} at the age of {age}", view.state);
            }
            let counts = lessor.counts();
            let of = |state| story.values().filter(|(s, _)| *s == state).count();
            prop_assert_eq!(
                counts,
                Counts {
                    up: of(State::Up),
                    silent: of(State::Silent),
                    down: of(State::Down),
                    filed: of(State::Up) + of(State::Silent),
                    ..Counts::default()
                }
            );
        }
    }
}
