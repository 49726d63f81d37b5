use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Budget, OfShare, OverBudget};
use crate::Peer;

fn peer(last: u8) -> Peer {
    Peer::new([10, 0, 0, last].into())
}

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
        peer: None,
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
    // A last owner that has not released its charge yet is counted together with the next first owner.
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

#[test]
fn one_peer_holds_at_most_three_quarters_and_another_gets_the_rest() {
    let budget = Budget::new("test", 100);
    let (greedy, other) = (budget.share(peer(1)), budget.share(peer(2)));
    let mut held = greedy.try_charge(75).unwrap();
    assert_eq!((greedy.held(), budget.held()), (75, 75));
    let over = held.try_grow(1).unwrap_err();
    let text = "the share of 10.0.0.1 in the memory budget `test` is exhausted (75 bytes), try again later";
    assert_eq!(over.to_string(), text);
    assert_eq!((budget.refused(), budget.refused_shares()), (1, 1));
    let rest = other.try_charge(25).unwrap();
    assert_eq!(other.try_charge(1).unwrap_err().peer, None, "the whole");
    assert_eq!((budget.refused(), budget.refused_shares()), (2, 1));
    assert_eq!((greedy.held(), other.held(), budget.held()), (75, 25, 100));
    held.shrink(10);
    drop(rest);
    assert_eq!((greedy.held(), other.held(), budget.held()), (65, 0, 65));
    drop(held);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_share_leaves_its_part_of_a_reserve() {
    let budget = Budget::new("test", 100);
    let share = budget.share(peer(1));
    let mut charge = share.nothing();
    charge.try_grow_leaving(45, 40).unwrap();
    assert_eq!(charge.try_grow_leaving(1, 40).unwrap_err().limit, 75);
    let _all = share.try_charge(30).unwrap();
    assert_eq!((share.held(), budget.held()), (75, 75));
}

#[test]
fn a_share_exists_as_long_as_its_peer_holds_something() {
    let budget = Budget::new("test", 100);
    let share = budget.share(peer(1));
    let charge = share.try_charge(70).unwrap();
    drop(share);
    // The peer has closed its connections and connects again.
    let again = budget.share(peer(1));
    assert_eq!(again.held(), 70);
    again.try_charge(10).unwrap_err();
    drop(again);
    assert_eq!(budget.peers(), 1);
    drop(charge);
    assert_eq!((budget.peers(), budget.held()), (0, 0));
}

#[test]
fn shared_memory_counts_once_in_each_share_and_once_in_the_budget() {
    let budget = Budget::new("test", 100);
    let (first, second) = (budget.share(peer(1)), budget.share(peer(2)));
    let (list, other) = ([7; 60], [8; 20]);
    let of_first = [0; 3].map(|_| first.try_charge_shared(&list).unwrap());
    let of_second = second.try_charge_shared(&list).unwrap();
    let held = || (first.held(), second.held(), budget.held());
    assert_eq!(held(), (60, 60, 60));
    assert!(!first.has_room_shared(&other), "its share is 75 bytes");
    first.try_charge_shared(&other).unwrap_err();
    assert!(first.has_room_shared(&list));
    drop(of_first);
    assert_eq!(held(), (0, 60, 60));
    drop(of_second);
    assert_eq!((held(), budget.refused()), ((0, 0, 0), 1));
}

#[test]
fn a_refused_shared_charge_leaves_nothing_in_the_share() {
    let budget = Budget::new("test", 100);
    let share = budget.share(peer(1));
    let others = budget.try_charge(50).unwrap();
    share.try_charge_shared(&[7; 60]).unwrap_err();
    share.try_charge(60).unwrap_err();
    assert_eq!((share.held(), budget.held()), (0, 50));
    drop(others);
}

#[test]
fn threads_that_open_and_drop_shares_leave_none_behind() {
    let budget = Budget::new("test", 1000);
    thread::scope(|scope| {
        for number in 0..4 {
            let budget = &budget;
            scope.spawn(move || {
                for _ in 0..10_000 {
                    let share = budget.share(peer(number % 2));
                    let charge = share.try_charge(200).unwrap();
                    drop(share);
                    drop(charge);
                }
            });
        }
    });
    assert_eq!((budget.peers(), budget.held()), (0, 0));
}

#[test]
fn one_peer_may_hold_one_item_of_the_largest_size() {
    let budget = Budget::with_largest("test", 100, 90);
    assert_eq!(budget.limit_per_peer(), 90);
    assert_eq!(Budget::with_largest("test", 100, 10).limit_per_peer(), 75);
    assert_eq!(Budget::with_largest("test", 100, 900).limit_per_peer(), 100);
    let share = budget.share(peer(1));
    let _largest = share.try_charge(90).unwrap();
    share.try_charge(1).unwrap_err();
}

#[test]
fn bytes_that_the_budget_has_charged_count_in_a_share() {
    let budget = Budget::new("test", 100);
    let share = budget.share(peer(1));
    let charge = budget.try_charge(60).unwrap();
    let counted = OfShare::new(&share, 60).unwrap();
    assert_eq!((share.held(), budget.held()), (60, 60));
    OfShare::new(&share, 16).unwrap_err();
    assert_eq!(budget.refused_shares(), 1);
    drop((charge, counted));
    assert_eq!((share.held(), budget.held()), (0, 0));
    drop(OfShare::new(&budget, 60).unwrap());
}
