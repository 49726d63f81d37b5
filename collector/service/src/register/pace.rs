//! Limits how often the stored properties of one instance change.
//!
//! The first change is written at once. A change within the interval after it is deferred and replaced by any newer change. When
//! the interval ends, the newest change is written. So an instance that reports different properties with every call, or two
//! processes under one name, cost the store one write per interval.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use rollcall_domain::{
    InstanceId,
    inventory::{Changes, Description},
};
use rollcall_metrics::Metrics;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// The limit of deferred changes, in bytes. A change that would exceed it is dropped; the agent's next report contains it again.
const DEFERRED_BYTES: usize = 16 * 1024 * 1024;

/// When each instance last changed, and the changes that are deferred or due.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Zero for no limit.
    interval: Duration,
    /// Instances that were changed within the interval.
    changed_at: HashMap<InstanceId, Instant>,
    /// The same instances in the order of time.
    order: VecDeque<(Instant, InstanceId)>,
    deferred: HashMap<InstanceId, Description>,
    deferred_bytes: usize,
    /// Changes that are part of the next batch.
    due: Vec<Description>,
    delayed: Counter,
    dropped: Counter,
}

impl Pacer {
    pub(super) fn new(interval: Duration, metrics: &Metrics) -> Self {
        Self {
            interval,
            changed_at: HashMap::new(),
            order: VecDeque::new(),
            deferred: HashMap::new(),
            deferred_bytes: 0,
            due: Vec::new(),
            delayed: metrics.changes_delayed(),
            dropped: metrics.dropped("changes_of_instances"),
        }
    }

    /// Whether a change of this instance must wait.
    pub(super) fn defers(&self, instance: InstanceId) -> bool {
        self.changed_at.contains_key(&instance)
    }

    /// The time at which the next deferred change is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let (changed_at, _) = self.order.front().filter(|_| !self.deferred.is_empty())?;
        Some(*changed_at + self.interval)
    }

    /// Moves the deferred changes whose interval has passed to the next batch.
    pub(super) fn release(&mut self) {
        let now = Instant::now();
        while let Some((changed_at, instance)) = self.order.front().copied()
            && changed_at + self.interval <= now
        {
            self.order.pop_front();
            if self.changed_at.get(&instance) != Some(&changed_at) {
                continue;
            }
            self.changed_at.remove(&instance);
            if let Some(deferred) = self.deferred.remove(&instance) {
                self.deferred_bytes -= cost(&deferred);
                self.due.push(deferred);
            }
        }
    }

    /// The changes that are part of the next batch.
    pub(super) fn due(&self) -> &[Description] {
        &self.due
    }

    /// Drops the due changes after the store refused a batch, because one of them may be the reason.
    pub(super) fn drop_due(&mut self) {
        self.dropped
            .inc_by(u64::try_from(self.due.len()).unwrap_or(u64::MAX));
        self.due.clear();
    }

    /// Records the changes of a committed batch.
    pub(super) fn committed(&mut self, changes: Changes) {
        self.due.clear();
        for instance in changes.changed {
            self.record(instance);
        }
        changes
            .deferred
            .into_iter()
            .for_each(|deferred| self.defer(deferred));
    }

    /// Records that an instance changed, here or at another member.
    pub(super) fn record(&mut self, instance: InstanceId) {
        if self.interval.is_zero() {
            return;
        }
        let now = Instant::now();
        self.changed_at.insert(instance, now);
        self.order.push_back((now, instance));
    }

    fn defer(&mut self, change: Description) {
        let bytes = cost(&change);
        let before = self.deferred.get(&change.instance).map_or(0, cost);
        if self.deferred_bytes - before + bytes > DEFERRED_BYTES {
            self.dropped.inc();
            return;
        }
        self.deferred_bytes = self.deferred_bytes - before + bytes;
        self.delayed.inc();
        self.deferred.insert(change.instance, change);
    }
}

/// The approximate memory of a deferred change.
fn cost(change: &Description) -> usize {
    128 + change.properties.bytes()
}
