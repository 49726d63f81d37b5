//! Renewing beside expiring.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    thread,
};

use super::*;

const RENEWERS: i32 = 6;
const INSTANCES: i32 = 8;
const ROUNDS: i64 = 20_000;

/// However renewals and expiry meet: the transitions form one unbroken story per instance, and whoever was renewed
/// last is up, with an entry to find it by when it turns quiet.
#[test]
fn no_transition_is_lost_or_made_up() {
    // As short as a tick, so that every renewal meets an expiry.
    let term = Duration::from_millis(100);
    let lessor = Lessor::new(Terms {
        silent_after: term,
        down_after: 2 * term,
    });
    let clock = AtomicI64::new(0);
    grant(&lessor, INSTANCES);
    let mut story = thread::scope(|scope| {
        let renewers: Vec<_> = (0..RENEWERS)
            .map(|first| {
                scope.spawn({
                    let (lessor, clock) = (&lessor, &clock);
                    move || renew_all(lessor, clock, first)
                })
            })
            .collect();
        let mut story = Vec::new();
        for round in 1..=ROUNDS {
            clock.store(round * 100, Ordering::SeqCst);
            while lessor.expire(at(round * 100), 3, &mut story) {}
        }
        clock.store(i64::MAX, Ordering::SeqCst);
        for renewer in renewers {
            story.extend(renewer.join().unwrap());
        }
        story
    });
    let end = (ROUNDS + 1) * 100;
    for number in 1..=INSTANCES {
        story.extend(renew(&lessor, number, end));
    }
    check(&mut story);
    assert_eq!(
        lessor.counts(),
        Counts {
            up: 8,
            silent: 0,
            down: 0,
            filed: 8
        }
    );
    assert_eq!(
        expire(&lessor, end + 200).len(),
        8,
        "all are still looked at"
    );
}

fn renew(lessor: &Lessor, number: i32, now: i64) -> Option<Transition> {
    match lessor
        .renew(id(number), Signal::Heartbeat, at(now))
        .unwrap()
    {
        Renewal::Granted | Renewal::Kept => None,
        Renewal::Returned(back) => Some(back),
    }
}

/// Renews one instance after the other until the clock ends.
fn renew_all(lessor: &Lessor, clock: &AtomicI64, first: i32) -> Vec<Transition> {
    let mut story = Vec::new();
    for turn in first.. {
        let now = clock.load(Ordering::SeqCst);
        if now == i64::MAX {
            break;
        }
        let number = 1 + turn % INSTANCES;
        story.extend(renew(lessor, number, now));
        let state = lessor.view(id(number)).unwrap().state;
        let stalled = clock.load(Ordering::SeqCst) - now >= 100;
        assert!(
            state == State::Up || stalled,
            "renewed at {now} and {state:?}"
        );
    }
    story
}

fn check(story: &mut [Transition]) {
    story.sort_by_key(|transition| transition.number);
    let mut states: HashMap<InstanceId, State> = HashMap::new();
    for (number, transition) in (1_u64..).zip(story) {
        assert_eq!(transition.number, number);
        let before = states.insert(transition.instance, transition.to);
        assert_eq!(before.unwrap_or(State::Up), transition.from);
        assert_ne!(transition.from, transition.to);
    }
    assert!(states.values().all(|state| *state == State::Up));
}
