//! Renewal concurrent with expiry and removal.

use std::{
    hint,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    thread,
};

use super::*;

const RENEWERS: usize = 3;
const INSTANCES: i32 = 64;
const ROUNDS: i64 = 3_000;
/// Milliseconds until silent, and again until down.
const TERM: i64 = 1_000;

/// A round, at a time at which every lease is overdue.
#[derive(Default)]
struct Round {
    now: AtomicI64,
    finished: AtomicUsize,
}

/// For every order of renewals and expiry: a renewed instance is up afterwards, and the transitions form one unbroken sequence.
#[test]
fn no_transition_is_lost_or_made_up() {
    let term = Duration::from_millis(TERM.unsigned_abs());
    let lessor = Lessor::new(Terms {
        silent_after: term,
        down_after: 2 * term,
        relay: Duration::ZERO,
        spread: Duration::ZERO,
        forget_after: 1_000_000 * term,
    });
    grant(&lessor, INSTANCES);
    let round = Round::default();
    let (story, ends) = thread::scope(|scope| {
        let renewers: Vec<_> = (0..RENEWERS)
            .map(|_| scope.spawn(|| renew_every_round(&lessor, &round)))
            .collect();
        let (mut story, ends) = expire_every_round(&lessor, &round);
        for renewer in renewers {
            story.extend(renewer.join().unwrap());
        }
        (story, ends)
    });
    let all_up = Counts {
        up: 64,
        silent: 0,
        down: 0,
        filed: 64,
        ..Counts::default()
    };
    assert_eq!(ends.iter().find(|counts| **counts != all_up), None);
    check(story);
}

/// A renewal that races with a removal precedes it or finds no lease. In both cases the next renewal finds none.
#[test]
fn a_renewal_that_races_with_a_removal_leaves_no_lease() {
    const TURNS: i64 = 2_000;
    let lessor = lessor();
    let (granted, removed) = (AtomicI64::new(0), AtomicI64::new(0));
    thread::scope(|scope| {
        let renewers: Vec<_> = (0..RENEWERS)
            .map(|_| {
                scope.spawn(|| {
                    for turn in 1..=TURNS {
                        wait(|| granted.load(SeqCst) >= turn);
                        while lessor.renew(id(1), Signal::Heartbeat, at(turn)).is_some()
                            && removed.load(SeqCst) < turn
                        {}
                    }
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for turn in 1..=TURNS {
            let grant = lessor.grant(id(1), Signal::Register, at(turn));
            granted.store(turn, SeqCst);
            (0..turn % 97 * 8).for_each(|_| hint::spin_loop());
            // The renewal of a left lease takes the lock, that of an up lease does not.
            if turn % 3 == 0 {
                let _left = lessor.leave(id(1), at(turn));
            }
            let was_removed = lessor.remove(id(1));
            let seen = lessor.view(id(1));
            removed.store(turn, SeqCst);
            outcomes.push((grant, was_removed, seen));
        }
        for renewer in renewers {
            renewer.join().unwrap();
        }
        let expected = (Renewal::Granted, true, None);
        assert!(outcomes.iter().all(|outcome| *outcome == expected));
    });
    assert_eq!(lessor.counts().up + lessor.counts().left, 0);
}

/// Expires every round. Returns all transitions, and the counts at the end of each round. It must not panic, because the renewers
/// wait for the end of the last round.
fn expire_every_round(
    lessor: &Lessor<InstanceId>,
    round: &Round,
) -> (Vec<Transition<InstanceId>>, Vec<Counts>) {
    let (mut story, mut ends) = (Vec::new(), Vec::new());
    for number in 1..=ROUNDS {
        let mut now = number * 3 * TERM;
        // Renewals race with the change to silent in one round, and with the change to down in the next.
        if number % 2 == 0 {
            story.extend(expire(lessor, now - TERM));
        } else {
            now -= TERM;
        }
        // Otherwise the terms would soon grow as long as the rounds.
        lessor.forget_intervals();
        round.finished.store(0, SeqCst);
        round.now.store(now, SeqCst);
        // Starts a little later each round, so that the race covers every point.
        (0..number % 97 * 8).for_each(|_| hint::spin_loop());
        story.extend(expire(lessor, now));
        wait(|| round.finished.load(SeqCst) == RENEWERS);
        ends.push(lessor.counts());
    }
    round.now.store(i64::MAX, SeqCst);
    (story, ends)
}

/// Renews all instances once a round, in the reverse order of the checks, so that the two meet.
fn renew_every_round(lessor: &Lessor<InstanceId>, round: &Round) -> Vec<Transition<InstanceId>> {
    let (mut story, mut before) = (Vec::new(), 0);
    loop {
        wait(|| round.now.load(SeqCst) != before);
        before = round.now.load(SeqCst);
        if before == i64::MAX {
            return story;
        }
        for number in (1..=INSTANCES).rev() {
            let renewal = lessor.renew(id(number), Signal::Heartbeat, at(before));
            if let Some(Renewal::Changed(back)) = renewal {
                story.push(back);
            }
        }
        round.finished.fetch_add(1, SeqCst);
    }
}

/// Polls often enough to detect every change, and yields from time to time.
fn wait(until: impl Fn() -> bool) {
    while !until() {
        (0..100)
            .take_while(|_| !until())
            .for_each(|_| hint::spin_loop());
        thread::yield_now();
    }
}

fn check(mut story: Vec<Transition<InstanceId>>) {
    story.sort_by_key(|transition| transition.number);
    let mut states: HashMap<InstanceId, State> = HashMap::new();
    for (number, transition) in (1_u64..).zip(story) {
        assert_eq!(transition.number, number);
        let before = states.insert(transition.key, transition.to);
        assert_eq!(before.unwrap_or(State::Up), transition.from);
        assert_ne!(transition.from, transition.to);
        let age = transition.at.since(transition.last_seen);
        let overdue = age >= Duration::from_millis(TERM.unsigned_abs());
        assert_eq!(overdue, transition.to != State::Up, "{transition:?}");
    }
    assert!(states.values().all(|state| *state == State::Up));
}
