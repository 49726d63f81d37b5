use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Budget, OverBudget};

#[test]
fn a_charge_is_held_until_it_is_dropped() {
    let budget = Budget::new("test", 100);
    let mut first = budget.try_charge(60).unwrap();
    let second = budget.try_charge(40).unwrap();
    assert_eq!(budget.held(), 100);
    first.shrink(10);
    assert_eq!((budget.held(), first.bytes()), (90, 50));
    first.shrink(1000);
    assert_eq!((budget.held(), first.bytes()), (40, 0));
    drop((first, second));
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_refused_charge_charges_nothing_and_is_counted() {
    let budget = Budget::new("test", 100);
    let mut charge = budget.try_charge(99).unwrap();
    let refused = OverBudget {
        budget: "test",
        limit: 100,
    };
    assert_eq!(budget.try_charge(2).unwrap_err(), refused);
    assert_eq!(charge.try_grow(usize::MAX).unwrap_err(), refused);
    assert_eq!((budget.held(), budget.refused()), (99, 2));
    charge.try_grow(1).unwrap();
    assert_eq!(budget.held(), 100);
}

#[test]
fn threads_never_exceed_the_limit_together() {
    let budget = Budget::new("test", 1000);
    let most = AtomicUsize::new(0);
    thread::scope(|scope| {
        for bytes in [7, 300, 999, 1000] {
            let (budget, most) = (&budget, &most);
            scope.spawn(move || {
                for _ in 0..10_000 {
                    let charge = budget.try_charge(bytes);
                    most.fetch_max(budget.held(), Ordering::Relaxed);
                    drop(charge);
                }
            });
        }
    });
    assert!(most.into_inner() <= 1000);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_reserve_is_left_for_other_charges() {
    let budget = Budget::new("test", 100);
    let mut charge = budget.nothing();
    charge.try_grow_leaving(60, 40).unwrap();
    charge.try_grow_leaving(1, 40).unwrap_err();
    assert_eq!((charge.bytes(), budget.held()), (60, 60));
    let all = budget.try_charge(40).unwrap();
    drop((charge, all));
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_reserve_is_never_taken_from_other_charges() {
    let budget = Budget::new("test", 100);
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                let mut charge = budget.nothing();
                let (Ok(()) | Err(_)) = charge.try_grow_leaving(10, 50);
            }
        });
        for _ in 0..200_000 {
            let charged = budget.try_charge(90);
            end.store(charged.is_err(), Ordering::Relaxed);
            drop(charged.unwrap());
        }
        end.store(true, Ordering::Relaxed);
    });
    assert_eq!(budget.held(), 0);
}

#[test]
fn shared_memory_is_charged_from_its_first_owner_to_its_last() {
    let budget = Budget::new("test", 100);
    let memory = [7; 60];
    let first = budget.try_charge_shared(&memory).unwrap();
    let second = budget.try_charge_shared(&memory).unwrap();
    assert_eq!(budget.held(), 60);
    budget.try_charge_shared(&[8; 60]).unwrap_err();
    let part = budget.try_charge_shared(&memory[..40]).unwrap();
    assert_eq!(budget.held(), 100, "another length is another place");
    drop((first, part));
    assert_eq!(budget.held(), 60);
    drop(second);
    assert_eq!(budget.held(), 0);
    drop(budget.try_charge_shared(&memory).unwrap());
}

#[test]
fn memory_that_is_charged_has_room_for_further_owners() {
    let budget = Budget::new("test", 100);
    let (memory, other) = ([7; 60], [8; 60]);
    assert!(budget.has_room_shared(&memory));
    assert!(!budget.has_room_shared(&[7; 101]));
    let first = budget.try_charge_shared(&memory).unwrap();
    assert!(budget.has_room_shared(&memory));
    assert!(!budget.has_room_shared(&other));
    assert!(budget.has_room_shared(&other[..40]));
    drop(first);
    let _other = budget.try_charge_shared(&other).unwrap();
    assert!(!budget.has_room_shared(&memory), "its last owner is gone");
    assert_eq!((budget.held(), budget.refused()), (60, 0));
}

#[test]
fn threads_that_share_memory_leave_no_charge_behind() {
    // A last owner that has not released its charge yet is counted beside the next first owner.
    let (threads, memory) = (4, [7; 60]);
    let budget = Budget::new("test", threads * memory.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let shared = budget.try_charge_shared(&memory).unwrap();
                    assert!(budget.held() >= 60);
                    drop(shared);
                }
            });
        }
    });
    assert_eq!(budget.held(), 0);
}
