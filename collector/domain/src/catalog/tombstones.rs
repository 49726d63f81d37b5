//! Tombstones of deregistered instances: a late beat does not restore such an instance.

use std::collections::{HashMap, VecDeque};

use super::{Endpoint, ServiceKey};
use crate::Moment;

/// The most tombstones; the oldest is removed first.
const CAPACITY: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Tombstones {
    until: HashMap<(ServiceKey, Endpoint), Moment>,
    order: VecDeque<(Moment, (ServiceKey, Endpoint))>,
}

impl Tombstones {
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    pub(super) fn bury(&mut self, service: &ServiceKey, endpoint: &Endpoint, until: Moment) {
        let key = (service.clone(), endpoint.clone());
        self.until.insert(key.clone(), until);
        self.order.push_back((until, key));
        while self.order.len() > CAPACITY {
            self.drop_oldest();
        }
    }

    pub(super) fn clear(&mut self, service: &ServiceKey, endpoint: &Endpoint) {
        if !self.until.is_empty() {
            self.until.remove(&(service.clone(), endpoint.clone()));
        }
    }

    pub(super) fn has_tombstone(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        now: Moment,
    ) -> bool {
        !self.until.is_empty()
            && self
                .until
                .get(&(service.clone(), endpoint.clone()))
                .is_some_and(|until| *until > now)
    }

    /// Removes expired tombstones from the front of the queue. Terms differ, so a tombstone with a longer term delays the removal
    /// of those behind it.
    pub(super) fn expire(&mut self, now: Moment) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((until, key)) = self.order.pop_front()
            && self.until.get(&key) == Some(&until)
        {
            self.until.remove(&key);
        }
    }
}
