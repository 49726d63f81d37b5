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
            let due = |(since, _): &(Moment, ServiceKey)| since.after(empty_after) <= now;
            let Some((_, key)) = pop_if(&mut self.empty, due) else {
                break;
            };
            if self.has_ended(&key, now, empty_after) && self.remove_service(&key, effects).is_ok()
            {
                swept.services.push(key);
            }
        }
        swept
    }

    fn has_ended(&mut self, key: &ServiceKey, now: Moment, empty_after: Duration) -> bool {
        let Some((_, service)) = self.service(key) else {
            return false;
        };
        let is_empty = service.members.is_empty() && !service.is_explicit;
        if is_empty && !service.overrides.is_empty() {
            // An override of the service has not ended yet.
            self.empty.push_back((now, key.clone()));
            return false;
        }
        is_empty && service.empty_since.after(empty_after) <= now
    }
}

fn pop_if<T>(queue: &mut VecDeque<T>, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
    is_due(queue.front()?).then(|| queue.pop_front())?
}
