//! The public behaviour of the lessor.

mod evidence;
mod goodbye;
mod race;
mod relay;
mod removal;
mod restore;
mod tallies;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::InstanceId;

const SILENT: i64 = 120_000;
const DOWN: i64 = 300_000;
const RELAY: i64 = 60_000;
const FORGET: i64 = 100 * DOWN;
/// The longest delay until a change of state is detected.
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

/// The lessor of a collector that does not share its store. After a restart its expiries are spread over this time.
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
        observer: Observer::Elsewhere(None),
        forgotten: false,
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
fn an_instance_without_signals_becomes_silent_then_down_with_evidence() {
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
        observer: Observer::Here,
        contact: Contact::Unknown,
        usual: Duration::from_secs(1),
        term: Duration::from_millis(SILENT.unsigned_abs()),
        is_reported: false,
    };
    assert_eq!(expire(&lessor, SILENT + 1_000), [silent]);
    assert_eq!(expire(&lessor, DOWN + 999), []);
    let down = Transition {
        number: 2,
        from: State::Silent,
        since: at(SILENT + 1_000),
        to: State::Down,
        at: at(DOWN + 1_000),
        term: Duration::from_millis(DOWN.unsigned_abs()),
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
fn a_signal_brings_a_silent_or_down_instance_back() {
    for (age, from) in [(SILENT + LATE, State::Silent), (DOWN + SILENT, State::Down)] {
        let lessor = granted(1);
        expire(&lessor, SILENT);
        expire(&lessor, age);
        assert_eq!(state(&lessor, 1), from);
        let Some(Renewal::Changed(back)) = lessor.renew(id(1), Signal::Recover, at(age)) else {
            panic!("no transition from {from:?}")
        };
        assert_eq!((back.from, back.to), (from, State::Up));
        assert_eq!((back.last_seen, back.signal), (at(age), Signal::Recover));
        // The time in the state silent may be the usual interval. The time in the state down does not count as an interval yet.
        let usual = lessor.view(id(1)).unwrap().usual;
        assert_eq!(usual.is_zero(), from == State::Down);
        let term = millis(lessor.terms().of(usual).silent_after);
        assert_eq!(expire(&lessor, age + SILENT - 1), []);
        assert_eq!(expire(&lessor, age + term - 1), []);
        assert_eq!(expire(&lessor, age + term + LATE).len(), 1);
    }
}

#[test]
fn an_instance_without_a_lease_is_not_renewed() {
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
        "silent, and the time to down starts again"
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
fn each_lease_that_changed_is_reported() {
    let lessor = granted(10);
    for number in [2, 9] {
        let renewed = lessor.renew(id(number), Signal::TraceSegment, at(500));
        assert_eq!(renewed, Some(Renewal::Kept));
    }
    let walk = |since| {
        let mut changed = Vec::new();
        lessor.changed_since(at(since), all(20), &mut changed);
        changed.into_iter().map(InstanceId::get).collect::<Vec<_>>()
    };
    assert_eq!(walk(500), [2, 9]);
    assert_eq!(walk(0), (1..=10).collect::<Vec<_>>());
    expire(&lessor, SILENT);
    assert_eq!(walk(501).len(), 8, "a change of state is reported, too");
}

#[derive(Clone, Debug)]
enum Step {
    Renew(i32),
    Pass(i64),
}

proptest! {
    /// The states follow from the times of the last signals, and the transitions report every change of state.
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
        let mut seen: HashMap<i32, i64> = HashMap::new();
        let mut longest: HashMap<i32, i64> = HashMap::new();
        let mut story: HashMap<i32, (State, i64)> = HashMap::new();
        let (mut now, mut count) = (0, 0);
        for step in steps {
            let changed = match step {
                Step::Renew(number) => {
                    let before = seen.insert(number, now).unwrap_or(now);
                    let gap = longest.entry(number).or_default();
                    *gap = (now - before).max(*gap);
                    story.entry(number).or_insert((State::Up, now));
                    match lessor.grant(id(number), Signal::Heartbeat, at(now)) {
                        Renewal::Granted | Renewal::Kept => vec![],
                        Renewal::Changed(back) => vec![back],
                        Renewal::Moved { .. } => unreachable!("there is one collector"),
                    }
                }
                // Checks often enough that the delay of a check is small.
                Step::Pass(gap) => (0..gap).step_by(50).flat_map(|_| { now += 50; expire(&lessor, now) }).collect(),
            };
            for transition in changed {
                count += 1;
                prop_assert_eq!(transition.number, count);
                let number = transition.key.get();
                let before = (transition.from, transition.since.millis());
                prop_assert_eq!(story.insert(number, (transition.to, transition.at.millis())), Some(before));
                prop_assert_eq!(transition.last_seen.millis(), seen[&number]);
            }
            for (number, seen) in &seen {
                let view = lessor.view(id(*number)).unwrap();
                prop_assert_eq!((view.state, view.since.millis()), story[number]);
                let gap = Duration::from_millis(longest[number].unsigned_abs());
                let most = lessor.terms().of(gap);
                let (earliest, latest) = match view.state {
                    State::Up => (0, millis(most.silent_after) + 2 * LATE),
                    State::Silent => (SILENT, millis(most.down_after) + 4 * LATE),
                    State::Down => (DOWN, i64::MAX),
                    State::Left => unreachable!("no instance leaves in this test"),
                };
                let age = now - seen;
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
