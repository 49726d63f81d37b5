//! The instances of this collector whose beats also arrive at other members.
//!
//! While this collector does not follow the exchange, or the exchange has no space for the beats that other members relay, it cannot
//! know whether their beats stopped, so their leases are not judged.
//!
//! There is at most one entry for each instance with a lease, so the limits of instances bound the entries.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::{Moment, catalog::InstanceRef};

/// How long after an interruption the beats that other members received meanwhile may still be on their way.
const SETTLED: Duration = Duration::from_secs(5);
/// An instance whose beats have not arrived elsewhere for this long is not roaming any more.
const TERM: Duration = Duration::from_secs(120);
const FIRST_SWEEP: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Roaming(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When a beat was last relayed.
    seen: HashMap<InstanceRef, Moment>,
    sweep_at: usize,
    /// When this collector began to follow the exchange; `None` while it does not.
    following: Option<Moment>,
    /// When the exchange last refused an entry for lack of space.
    refused: Option<Moment>,
    /// When it last stopped to judge these leases.
    interrupted: Option<Moment>,
}

impl State {
    fn is_settled(&self, now: Moment) -> bool {
        let has_passed = |since: Moment| since.after(SETTLED) <= now;
        self.following.is_some_and(has_passed) && self.refused.is_none_or(has_passed)
    }

    /// Records that these leases are not judged from now on. While they are not judged already, the first time is kept: an
    /// interruption of an exchange without space must not be compared with beats from before it had none.
    fn stop_judging(&mut self, now: Moment) {
        if self.is_settled(now) || self.interrupted.is_none() {
            self.interrupted = Some(now);
        }
    }
}

impl Roaming {
    pub(super) fn follows(&self, now: Moment) {
        self.0.lock().following.get_or_insert(now);
    }

    pub(super) fn is_interrupted(&self, now: Moment) {
        let mut state = self.0.lock();
        state.stop_judging(now);
        state.following = None;
    }

    /// Records that the exchange has just refused an entry for lack of space. It refuses relayed beats too.
    pub(super) fn is_refused(&self, now: Moment) {
        let mut state = self.0.lock();
        state.stop_judging(now);
        state.refused = Some(now);
    }

    /// Records that another member received a beat of an instance.
    pub(super) fn add(&self, instance: InstanceRef, now: Moment) {
        let mut state = self.0.lock();
        let limit = state.sweep_at.max(FIRST_SWEEP);
        if state.seen.len() >= limit && !state.seen.contains_key(&instance) {
            state.seen.retain(|_, seen| seen.after(TERM) > now);
            state.sweep_at = state.seen.len() * 2;
        }
        state.seen.insert(instance, now);
    }

    /// Forgets an instance that has ended or needs no beats any more.
    pub(super) fn end(&self, instance: InstanceRef) {
        self.0.lock().seen.remove(&instance);
    }

    /// Whether this collector has followed the exchange for long enough that nothing from before is on its way.
    pub(super) fn is_settled(&self, now: Moment) -> bool {
        self.0.lock().is_settled(now)
    }

    pub(super) fn defers(&self, instance: InstanceRef, now: Moment) -> bool {
        let state = self.0.lock();
        if state.is_settled(now) {
            return false;
        }
        // Those that roamed when the interruption began still do.
        let interrupted = state.interrupted.unwrap_or(now);
        let seen = state.seen.get(&instance);
        seen.is_some_and(|seen| seen.after(TERM) > interrupted)
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::catalog::{
        Effects, Endpoint, Kind, Limits, Registration, Registry, ServiceKey,
    };

    use super::*;

    /// An etcd without space is compacted and defragmented, which ends the watches.
    #[test]
    fn an_interruption_while_the_exchange_has_no_space_ends_no_instance() {
        let mut registry = Registry::new(Limits::default(), TERM);
        let service = ServiceKey::new("", "", "a").unwrap();
        let endpoint = Endpoint::new("10.0.0.1", 80, "").unwrap();
        let by = endpoint.publisher();
        let registration = Registration::new(endpoint, Kind::Ephemeral);
        let at = |seconds: i64| Moment::from_millis(seconds * 1000);
        let mut effects = Effects::default();
        let registered = registry.register(&by, &service, registration, at(0), &mut effects);
        let instance = registered.unwrap().instance;
        let roaming = Roaming::default();
        roaming.follows(at(0));
        roaming.add(instance, at(10));
        for seconds in 11..600 {
            roaming.is_refused(at(seconds));
        }
        roaming.is_interrupted(at(600));
        roaming.follows(at(601));
        roaming.is_refused(at(601));
        assert!(roaming.defers(instance, at(602)));
        // There is space again, and its beats have stopped.
        assert!(!roaming.defers(instance, at(606)));
    }

    /// A regression test: those that ended were kept until the number of entries had doubled.
    #[test]
    fn instances_that_ended_or_stay_away_are_not_kept() {
        let roaming = Roaming::default();
        let now = Moment::from_millis(0);
        let mut registry = Registry::new(Limits::default(), TERM);
        let mut effects = Effects::default();
        let service = ServiceKey::new("", "", "a").unwrap();
        let instances: Vec<_> = (1..=4_000)
            .map(|port| {
                let endpoint = Endpoint::new("10.0.0.1", port, "").unwrap();
                let by = endpoint.publisher();
                let registration = Registration::new(endpoint, Kind::Ephemeral);
                let registered = registry.register(&by, &service, registration, now, &mut effects);
                registered.unwrap().instance
            })
            .collect();
        for instance in &instances {
            roaming.add(*instance, now);
            roaming.end(*instance);
        }
        assert_eq!(roaming.0.lock().seen.len(), 0);
        let (early, late) = instances.split_at(2_000);
        for instance in early {
            roaming.add(*instance, now);
        }
        let later = now.after(TERM);
        for instance in late {
            roaming.add(*instance, later);
        }
        assert!(roaming.0.lock().seen.len() <= 2_048);
        assert!(!roaming.defers(early[0], later));
        assert!(roaming.defers(late[0], later));
    }
}
