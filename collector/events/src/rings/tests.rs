use rollcall_domain::InstanceId;

use super::*;
use crate::event::{Contact, InstanceEvent, InstanceKind};

fn id(number: i32) -> InstanceId {
    InstanceId::new(number).unwrap()
}

fn rings(per_instance: usize, bytes: usize) -> Rings<InstanceId> {
    Rings::new(per_instance, Budget::new("timelines", bytes))
}

fn add(rings: &mut Rings<InstanceId>, instance: i32, number: u64) {
    let kind = InstanceKind::Recovered(Contact::default());
    let instance = id(instance);
    let event = InstanceEvent { instance, kind };
    let at = Timestamp::from_millis(i64::try_from(number).unwrap());
    let instance = rings.packed(&instance);
    rings.add(&instance, (number, at), &event, number < 5);
}

fn numbers(rings: &Rings<InstanceId>, instance: i32) -> (Vec<u64>, Option<u64>) {
    let (events, lost) = rings.of(&id(instance));
    (events.iter().map(|event| event.number).collect(), lost)
}

#[test]
fn of_many_timelines_the_longest_unchanged_are_dropped_and_the_slots_used_again() {
    let mut rings = rings(2, 100 * (ENTRY + 32));
    let mut number = 0;
    for round in 0..50 {
        for instance in 1..=70 {
            number += 1;
            add(&mut rings, 100 * round + instance, number);
            // The timeline of an instance that changes often stays.
            number += 1;
            add(&mut rings, -7, number);
        }
    }
    assert_eq!(numbers(&rings, -7), (vec![number - 2, number], Some(3_498)));
    assert_eq!(numbers(&rings, 4_970).0, [number - 1]);
    assert_eq!(numbers(&rings, 1), (Vec::new(), None));
    let held = rings.len();
    assert!((95..=100).contains(&held), "{held}");
    assert_eq!(rings.slots.count(), held, "no slot is lost");
    let dropped: usize = std::iter::from_fn(|| rings.drop_oldest().then_some(1)).sum();
    assert_eq!((dropped, rings.held, rings.len()), (held, 0, 0));
    assert_eq!(rings.unrecorded.len(), 0);
}

#[test]
fn changes_that_were_not_recorded_are_charged_until_they_are_reported() {
    let mut rings = rings(2, 1 << 20);
    add(&mut rings, 1, 1);
    add(&mut rings, 1, 2);
    let held = rings.held;
    let soon = Timestamp::from_millis(3);
    assert!(!rings.admit(&rings.packed(&id(1)), soon) && !rings.admit(&rings.packed(&id(1)), soon));
    assert_eq!(numbers(&rings, 1), (vec![1, 2], Some(2)));
    assert_eq!(rings.held, held + UNRECORDED);
    assert_eq!(rings.budget.held(), rings.held);
    let later = Timestamp::from_millis(61_000);
    assert!(rings.admit(&rings.packed(&id(1)), later));
    assert_eq!(rings.take_counted(&rings.packed(&id(1))), Some((2, soon)));
    assert!(rings.admit(&rings.packed(&id(1)), later));
    assert_eq!(rings.take_counted(&rings.packed(&id(1))), None);
    assert_eq!(rings.held, held);
    assert!(rings.admit(&rings.packed(&id(2)), soon));
}

#[test]
fn counts_of_changes_that_were_not_recorded_stay_within_the_budget() {
    let mut rings = rings(1, 100 * (ENTRY + 32));
    for (number, instance) in (10..).zip(1..=200) {
        add(&mut rings, instance, number);
    }
    for instance in 1..=200 {
        rings.admit(&rings.packed(&id(instance)), Timestamp::from_millis(1_000));
        assert!(rings.held <= rings.budget.limit());
        assert_eq!(rings.budget.held(), rings.held);
    }
    assert!(!rings.unrecorded.is_empty());
}
