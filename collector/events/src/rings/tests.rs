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
            // One that changes often stays.
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
    assert_eq!(rings.admit(&id(1), soon), Admission::Counted);
    assert_eq!(rings.admit(&id(1), soon), Admission::Counted);
    assert_eq!(numbers(&rings, 1), (vec![1, 2], Some(2)));
    assert_eq!(rings.held, held + UNRECORDED);
    let later = Timestamp::from_millis(61_000);
    assert_eq!(rings.admit(&id(1), later), Admission::After(2, soon));
    assert_eq!(rings.admit(&id(1), later), Admission::Recorded);
    assert_eq!(rings.held, held);
    assert_eq!(rings.admit(&id(2), soon), Admission::Recorded);
}
