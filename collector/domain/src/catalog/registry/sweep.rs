//! Removes expired items: empty services, overrides without an instance, tombstones.

use std::time::Duration;

use super::{
    super::{Effects, Endpoint, ServiceKey},
    Registry,
};
use crate::Moment;

/// The most items of each kind that one sweep removes.
const BATCH: usize = 1024;

/// The items that a sweep removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Services that were empty for their term.
    pub services: Vec<ServiceKey>,
    /// Overrides whose term ended.
    pub overrides: Vec<(ServiceKey, Endpoint)>,
}

impl Registry {
    /// Whether overrides without an instance stay beyond their term, as long as instances of other members may be missing here.
    pub const fn keep_overrides(&mut self, are_kept: bool) {
        self.keeps_overrides = are_kept;
    }

    /// Removes expired items: services that were not created explicitly and have been empty for `empty_after`, overrides whose term
    /// has ended, and tombstones. Each call removes a bounded number of each.
    pub fn sweep(&mut self, now: Moment, empty_after: Duration, effects: &mut Effects) -> Swept {
        self.tombstones.expire(now);
        self.forget_removals(now, effects);
        let mut swept = Swept::default();
        for _ in 0..BATCH {
            let is_due = self.orphans.first().is_some_and(|(at, ..)| *at <= now);
            let is_due = is_due && !self.keeps_overrides;
            let Some((_, id, endpoint)) = is_due.then(|| self.orphans.pop_first()).flatten() else {
                break;
            };
            if let Some(key) = self.end_override(id, &endpoint) {
                swept.overrides.push((key, endpoint));
            }
        }
        for _ in 0..BATCH {
            let due = self.empty.first().copied();
            let due = due.filter(|(since, _)| since.after(empty_after) <= now);
            let Some((since, id)) = due else {
                break;
            };
            self.empty.remove(&(since, id));
            if let Some(key) = self.ended(id, now)
                && self.remove_service(&key, effects).is_ok()
            {
                swept.services.push(key);
            }
        }
        swept
    }

    /// The key of a service that was empty for its term, unless it stays. An override that has not ended yet gives it another term.
    fn ended(&mut self, id: u32, now: Moment) -> Option<ServiceKey> {
        let service = self.services.at_mut(id)?;
        if !service.members.is_empty() || service.is_explicit {
            return None;
        }
        if !service.overrides.is_empty() {
            service.empty_since = now;
            self.empty.insert((now, id));
            return None;
        }
        Some(service.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        catalog::{Kind, Limits, Override, Publisher, Registration},
    };

    fn one_instance() -> (ServiceKey, Endpoint, Registration) {
        let key = ServiceKey::new("", "", "a").unwrap();
        let endpoint = Endpoint::new("10.0.0.1", 80, "").unwrap();
        let registration = Registration::new(endpoint.clone(), Kind::Ephemeral);
        (key, endpoint, registration)
    }

    /// A regression test: the queue once grew with each deregistration, faster than a sweep empties it.
    #[test]
    fn an_empty_service_is_queued_once_and_one_with_instances_never() {
        let term = Duration::from_secs(60);
        let mut registry = Registry::new(Limits::default(), term);
        let (key, endpoint, registration) = one_instance();
        let mut now = Moment::from_millis(0);
        let mut effects = Effects::default();
        for _ in 0..100 {
            now = now.after(Duration::from_millis(1));
            let put = registry.register(
                &Publisher::Operator,
                &key,
                registration.clone(),
                now,
                &mut effects,
            );
            put.unwrap();
            assert_eq!(registry.empty.len(), 0);
            let times = (now, now);
            let removed =
                registry.deregister(&key, &endpoint, Kind::Ephemeral, times, &mut effects);
            removed.unwrap();
            assert_eq!(registry.empty.len(), 1);
        }
        let before = now.after(Duration::from_millis(59_999));
        assert_eq!(registry.sweep(before, term, &mut effects), Swept::default());
        let swept = registry.sweep(now.after(term), term, &mut effects);
        assert_eq!((swept.services, registry.empty.len()), (vec![key], 0));
    }

    /// A regression test: each deregistration of an instance with an override once added an entry to the queue.
    #[test]
    fn an_override_without_an_instance_is_queued_once_and_one_with_an_instance_never() {
        let term = Duration::from_secs(60);
        let mut registry = Registry::new(Limits::default(), term);
        let (key, endpoint, registration) = one_instance();
        let set = Override {
            enabled: Some(false),
            ..Override::none(Timestamp::from_millis(0))
        };
        let mut now = Moment::from_millis(0);
        let mut effects = Effects::default();
        let cycle = |registry: &mut Registry, now, effects: &mut Effects| {
            let publisher = Publisher::Operator;
            let put = registry.register(&publisher, &key, registration.clone(), now, effects);
            put.unwrap();
            let set = registry.set_override(&key, &endpoint, set.clone(), effects);
            set.unwrap();
            let queued = registry.orphans.len();
            let times = (now, now);
            let removed = registry.deregister(&key, &endpoint, Kind::Ephemeral, times, effects);
            removed.unwrap();
            (queued, registry.orphans.len())
        };
        for _ in 0..100 {
            now = now.after(Duration::from_millis(1));
            assert_eq!(cycle(&mut registry, now, &mut effects), (0, 1));
        }
        let restored = registry.restore_override(&key, &endpoint, set.clone(), now);
        restored.unwrap();
        assert_eq!(registry.orphans.len(), 1);
        let swept = registry.sweep(now.after(term), term * 2, &mut effects);
        let ended = (key.clone(), endpoint.clone());
        assert_eq!((swept.overrides, registry.orphans.len()), (vec![ended], 0));
        cycle(&mut registry, now, &mut effects);
        let none = Override::none(Timestamp::from_millis(0));
        let removed = registry.set_override(&key, &endpoint, none, &mut effects);
        removed.unwrap();
        assert_eq!(registry.orphans.len(), 0);
        cycle(&mut registry, now, &mut effects);
        registry.remove_service(&key, &mut effects).unwrap();
        assert_eq!(
            (registry.orphans.len(), registry.counts().overrides),
            (0, 0)
        );
    }
}
