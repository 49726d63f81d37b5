//! Removed leases, and leases with terms of their own.

use super::*;

const SHORT: LeaseTerms = LeaseTerms {
    silent_after: Duration::from_secs(3),
    down_after: Duration::from_secs(5),
};
const LONG: LeaseTerms = LeaseTerms {
    silent_after: Duration::from_secs(3_600),
    down_after: Duration::from_secs(7_200),
};

fn grant_on(
    lessor: &Lessor<InstanceId>,
    number: i32,
    terms: Option<LeaseTerms>,
    now: i64,
) -> Renewal<InstanceId> {
    lessor.grant_on(id(number), terms, Signal::Register, at(now))
}

/// The keys, states and times of transitions.
fn ends(changed: &[Transition<InstanceId>]) -> Vec<(i32, State, i64)> {
    let ends = changed.iter();
    ends.map(|one| (one.key.get(), one.to, one.at.millis()))
        .collect()
}

#[test]
fn a_removed_lease_is_unknown_to_every_call_and_is_granted_anew() {
    let lessor = granted(2);
    assert!(lessor.remove(id(1)));
    assert!(!lessor.remove(id(1)) && !lessor.remove(id(3)));
    assert_eq!(lessor.renew(id(1), Signal::Heartbeat, at(1)), None);
    let connection = ConnectionId::new(1);
    let renewed = lessor.renew_on(connection, id(1), Signal::Heartbeat, at(1));
    assert_eq!(renewed, None);
    assert_eq!(lessor.leave(id(1), at(1)), None);
    assert!(!lessor.set_terms(id(1), Some(SHORT)));
    assert_eq!(lessor.view(id(1)), None);
    assert_eq!(lessor.record(id(1)), None);
    let mut changed = Vec::new();
    lessor.changed_since(at(0), all(2), &mut changed);
    assert_eq!(changed, [id(2)]);
    assert_eq!(lessor.counts().up, 1);
    let granted = lessor.grant(id(1), Signal::Register, at(SILENT / 2));
    assert_eq!(granted, Renewal::Granted);
    assert_eq!((lessor.counts().up, lessor.counts().filed), (2, 2));
    let silent = expire_until(&lessor, 0, 2 * SILENT);
    assert_eq!(
        ends(&silent),
        [
            (2, State::Silent, SILENT),
            (1, State::Silent, SILENT + SILENT / 2)
        ]
    );
}

#[test]
fn only_an_expired_lease_is_removed_as_expired() {
    let lessor = granted(3);
    assert!(!lessor.remove_expired(id(1)), "it is up");
    let _left = lessor.leave(id(2), at(0));
    assert!(lessor.remove_expired(id(2)), "it left");
    expire_until(&lessor, 0, SILENT);
    assert!(!lessor.remove_expired(id(1)), "it is silent");
    expire_until(&lessor, SILENT, DOWN);
    let _back = lessor.renew(id(1), Signal::Heartbeat, at(DOWN + 1));
    assert!(!lessor.remove_expired(id(1)), "a signal brought it back");
    assert!(lessor.remove_expired(id(3)));
    assert_eq!(lessor.counts().up, 1);
}

#[test]
fn a_report_of_another_collector_makes_a_removed_lease_a_new_one() {
    let lessor = granted(1);
    assert!(lessor.remove(id(1)));
    let granted = lessor.relay(stored(1, 1_000, false), at(1_000));
    assert_eq!(granted, Renewal::Granted);
    assert!(lessor.remove(id(1)));
    let granted = lessor.relay(stored(1, 1_000, true), at(1_000));
    assert_eq!(granted, Renewal::Granted);
    assert_eq!(state(&lessor, 1), State::Down);
}

#[test]
fn grants_and_removals_leave_nothing_behind() {
    let lessor = lessor();
    for round in 0..1_000 {
        let _granted = grant_on(&lessor, 1, Some(SHORT), round);
        if round % 2 == 0 {
            let _left = lessor.leave(id(1), at(round));
        }
        assert!(lessor.remove(id(1)));
        assert_eq!(lessor.leases(), 1);
    }
    assert_eq!(
        lessor.counts().filed,
        1,
        "one entry for any number of grants"
    );
    expire(&lessor, 5_000);
    assert_eq!(lessor.leases(), 1, "until its second entry comes due, too");
    expire(&lessor, 2 * FORGET);
    assert_eq!((lessor.counts(), lessor.leases()), (Counts::default(), 0));
}

#[test]
fn a_lease_expires_on_its_own_terms() {
    let lessor = lessor();
    let _granted = grant_on(&lessor, 1, Some(SHORT), 0);
    let _granted = grant_on(&lessor, 2, Some(LONG), 0);
    let _granted = grant_on(&lessor, 3, None, 0);
    let view = |number| lessor.view(id(number)).unwrap().terms;
    assert_eq!((view(1), view(2)), (SHORT, LONG));
    assert_eq!(millis(view(3).silent_after), SILENT);
    let mut changed = Vec::new();
    for now in (0..=8_000_000).step_by(100) {
        changed.extend(expire(&lessor, now));
    }
    // The change to down waits for the relay term, because the agent may have moved to another collector.
    let expected = [
        (1, State::Silent, 3_000),
        (1, State::Down, RELAY),
        (3, State::Silent, SILENT),
        (3, State::Down, DOWN),
        (2, State::Silent, 3_600_000),
        (2, State::Down, 7_200_000),
    ];
    assert_eq!(ends(&changed), expected);
}

#[test]
fn new_terms_take_effect_at_the_next_check() {
    let lessor = alone(0);
    let _granted = grant_on(&lessor, 1, Some(LONG), 0);
    expire_until(&lessor, 0, SILENT);
    assert!(lessor.set_terms(id(1), Some(SHORT)));
    let silent = expire_until(&lessor, SILENT + 50, 3 * SILENT);
    assert_eq!(ends(&silent)[0].2, 2 * SILENT, "one check later");
    let _back = grant_on(&lessor, 1, None, 3 * SILENT);
    assert_eq!(expire_until(&lessor, 3 * SILENT, 4 * SILENT - 1), []);
    assert_eq!(expire_until(&lessor, 4 * SILENT, 4 * SILENT).len(), 1);
}

#[test]
fn the_usual_interval_is_slow_against_the_own_term() {
    let lessor = alone(0);
    let _granted = grant_on(&lessor, 1, Some(SHORT), 0);
    for now in (5_000..50_000).step_by(5_000) {
        let _renewed = lessor.renew(id(1), Signal::Heartbeat, at(now));
        expire(&lessor, now);
    }
    assert_eq!(lessor.slow().map(|slow| slow.count), Some(1));
    assert!(lessor.set_terms(id(1), Some(LONG)));
    assert_eq!(lessor.slow(), None);
    assert!(lessor.set_terms(id(1), Some(SHORT)));
    assert!(lessor.remove(id(1)));
    assert_eq!(lessor.slow(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Grant(i32, Option<LeaseTerms>),
    Renew(i32),
    Remove(i32),
    Pass(i64),
}

/// A lease in the model.
#[derive(Clone, Copy)]
struct Modelled {
    seen: i64,
    /// The longest gap, by which its term may have grown.
    gap: i64,
    terms: Option<LeaseTerms>,
    state: State,
}

fn step() -> impl Strategy<Value = Step> {
    let terms = prop_oneof![Just(None), Just(Some(SHORT)), Just(Some(LONG))];
    prop_oneof![
        2 => (1..5_i32, terms).prop_map(|(number, terms)| Step::Grant(number, terms)),
        2 => (1..5_i32).prop_map(Step::Renew),
        2 => (1..5_i32).prop_map(Step::Remove),
        3 => (1..SILENT / 2).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Compared with a map of last-seen times: no lease expires before its term, every lease expires soon after it, and a removed
    /// lease is never reported.
    #[test]
    fn removals_and_own_terms_agree_with_a_model(steps in prop::collection::vec(step(), 1..100)) {
        let lessor = alone(0);
        let mut model: HashMap<i32, Modelled> = HashMap::new();
        let mut now = 0;
        for step in steps {
            let mut changed = Vec::new();
            match step {
                Step::Grant(number, terms) => {
                    let renewal = grant_on(&lessor, number, terms, now);
                    prop_assert_eq!(renewal == Renewal::Granted, !model.contains_key(&number));
                    let known = model.entry(number).or_insert(Modelled { seen: now, gap: 0, terms, state: State::Up });
                    *known = Modelled { seen: now, gap: known.gap.max(now - known.seen), terms, state: State::Up };
                }
                Step::Renew(number) => {
                    let renewal = lessor.renew(id(number), Signal::Heartbeat, at(now));
                    prop_assert_eq!(renewal.is_some(), model.contains_key(&number));
                    if let Some(known) = model.get_mut(&number) {
                        *known = Modelled { seen: now, gap: known.gap.max(now - known.seen), state: State::Up, ..*known };
                    }
                }
                Step::Remove(number) => {
                    prop_assert_eq!(lessor.remove(id(number)), model.remove(&number).is_some());
                }
                Step::Pass(gap) => for _ in (0..gap).step_by(50) {
                    now += 50;
                    changed.extend(expire(&lessor, now));
                },
            }
            for transition in changed {
                let known = model.get_mut(&transition.key.get());
                prop_assert!(known.is_some(), "{:?} was removed", transition);
                let known = known.unwrap();
                prop_assert_eq!(transition.from, known.state);
                prop_assert_eq!(transition.last_seen.millis(), known.seen);
                known.state = transition.to;
                let terms = known.terms.map_or(lessor.terms(), |own| lessor.terms().with(own));
                let age = transition.at.millis() - known.seen;
                let least = if transition.to == State::Down { terms.down_after } else { terms.silent_after };
                prop_assert!(age >= millis(least).min(SILENT), "{:?} after {age}", transition);
            }
            for (number, known) in &model {
                let view = lessor.view(id(*number)).unwrap();
                prop_assert_eq!((view.state, view.last_seen.millis()), (known.state, known.seen));
                let terms = known.terms.map_or(lessor.terms(), |own| lessor.terms().with(own));
                let most = terms.of(Duration::from_millis(known.gap.unsigned_abs()));
                // Shorter terms take effect one check later.
                let late = SILENT + 4 * LATE;
                let latest = if view.state == State::Up { most.silent_after } else { most.down_after };
                if view.state < State::Down {
                    prop_assert!(now - known.seen <= millis(latest) + late, "{:?} at {}", view, now - known.seen);
                }
            }
            let counts = lessor.counts();
            prop_assert_eq!(counts.up + counts.silent + counts.down, model.len());
            prop_assert!(counts.filed <= 4, "one entry for each key");
        }
    }
}
