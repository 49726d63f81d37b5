use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> Moment {
    Moment::from_millis(millis)
}

fn due(wheel: &mut Wheel<u32>, now: i64, mut budget: usize) -> Vec<u32> {
    std::iter::from_fn(|| wheel.pop_due(at(now), &mut budget)).collect()
}

#[test]
fn an_entry_comes_due_within_a_tick_and_not_before() {
    let mut wheel = Wheel::new(Duration::from_millis(100), 8);
    wheel.insert(1, at(250));
    assert_eq!(due(&mut wheel, 299, 9), []);
    assert_eq!(due(&mut wheel, 300, 9), [1]);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn a_check_is_bounded_by_its_budget_and_reports_its_backlog() {
    let mut wheel = Wheel::new(Duration::from_millis(100), 8);
    (0..10).for_each(|item| wheel.insert(item, at(500)));
    assert_eq!(due(&mut wheel, 600, 4).len(), 4);
    assert!(wheel.has_backlog(at(600)));
    assert_eq!(due(&mut wheel, 600, 100).len(), 6);
    assert!(!wheel.has_backlog(at(600)));
}

#[test]
fn a_long_gap_costs_one_turn() {
    let mut wheel = Wheel::new(Duration::from_millis(1), 8);
    wheel.insert(1, at(5));
    wheel.insert(2, at(1_000_000_000_000));
    let before = wheel.at;
    assert_eq!(due(&mut wheel, 2_000_000_000, 9), [1]);
    assert_eq!((before, wheel.at), (0, 2_000_000_001));
    // An entry beyond 32 bits of ticks comes due at the end of the range.
    assert_eq!(due(&mut wheel, i64::from(u32::MAX), 9), [2]);
}

#[test]
fn times_before_the_start_are_due_at_the_start() {
    let mut wheel = Wheel::new(Duration::from_millis(100), 8);
    wheel.insert(1, at(-5_000));
    assert_eq!(due(&mut wheel, -1, 9), []);
    assert_eq!(due(&mut wheel, 0, 9), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    /// Files an entry, this long from now.
    Insert(i64),
    /// Advances the time by this much, and checks with this budget.
    Look(i64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let gap = prop_oneof![9 => 0_i64..300, 1 => 0_i64..100_000];
    prop_oneof![
        2 => (-50_i64..2_000).prop_map(Step::Insert),
        1 => (gap, prop_oneof![0_usize..6, Just(usize::MAX)]).prop_map(|(gap, budget)| Step::Look(gap, budget)),
    ]
}

proptest! {
    #[test]
    fn it_agrees_with_a_sorted_map(
        steps in prop::collection::vec(step(), 0..200),
        tick in 1_i64..50,
        slots in 1_usize..40,
    ) {
        let mut wheel = Wheel::new(Duration::from_millis(tick.unsigned_abs()), slots);
        // The deadline of each entry, and when it was filed.
        let mut model: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
        let (mut now, mut next) = (0, 0);
        for step in steps.into_iter().chain([Step::Look(5_000, usize::MAX)]) {
            match step {
                Step::Insert(ahead) => {
                    wheel.insert(next, at(now + ahead));
                    model.insert(next, (now + ahead, now));
                    next += 1;
                }
                Step::Look(gap, budget) => {
                    now += gap;
                    for item in due(&mut wheel, now, budget) {
                        let deadline = model.remove(&item);
                        prop_assert!(deadline.is_some_and(|(deadline, _)| deadline <= now), "early or twice");
                    }
                    if !wheel.has_backlog(at(now)) {
                        let late = model.values().find(|(deadline, filed)| deadline.max(filed) + tick <= now);
                        prop_assert_eq!(late, None);
                    } else {
                        prop_assert!(budget != usize::MAX);
                    }
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
        }
        prop_assert!(model.is_empty());
    }
}
