//! Removes what has expired: empty services, overrides without an instance, tombstones.

use std::{collections::VecDeque, time::Duration};

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
    /// Removes what has expired: services that were not created explicitly and have been empty for `empty_after`, overrides
    /// whose term has ended, and tombstones. Each call removes a bounded number.
    pub fn sweep(&mut self, now: Moment, empty_after: Duration, effects: &mut Effects) -> Swept {
        self.tombstones.expire(now);
        let mut swept = Swept::default();
        for _ in 0..BATCH {
            let Some((_, key, endpoint)) = pop_if(&mut self.orphans, |(at, ..)| *at <= now) else {
                break;
            };
            if self.end_override(&key, &endpoint, now) {
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

fn pop_if<T>(queue: &mut VecDeque<T>, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
    is_due(queue.front()?).then(|| queue.pop_front())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Kind, Limits, Publisher, Registration};

    /// The queue grew with each deregistration, and faster than a sweep empties it.
    #[test]
    fn an_empty_service_is_queued_once_and_one_with_instances_never() {
        let term = Duration::from_secs(60);
        let mut registry = Registry::new(Limits::default(), term);
        let (key, endpoint) = (
            ServiceKey::new("", "", "a").unwrap(),
            Endpoint::new("10.0.0.1", 80, "").unwrap(),
        );
        let registration = Registration::new(endpoint.clone(), Kind::Ephemeral);
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
}
