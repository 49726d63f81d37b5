//! Metrics of the writer and the roster.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The families of this file.
#[derive(Debug)]
pub(crate) struct Writer {
    commit_seconds: Histogram,
    commit_rows: Histogram,
    pub(crate) commit_conflicts: Counter,
    pub(crate) inventory_diverged: Gauge,
    pub(crate) roster_repaired: Counter,
    pub(crate) store_damaged: Counter,
    pub(crate) changes_delayed: Counter,
    /// The longest commit of the present period, in nanoseconds.
    pub(crate) slowest: AtomicU64,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            // 50 us to 3.3 s: from a fast drive's sync to a stalled one.
            commit_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 17)),
            commit_rows: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            commit_conflicts: Counter::default(),
            inventory_diverged: Gauge::default(),
            roster_repaired: Counter::default(),
            store_damaged: Counter::default(),
            changes_delayed: Counter::default(),
            slowest: AtomicU64::default(),
        }
    }
}

impl Writer {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "commit",
            "Time until a batch was durable, in seconds",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register("commit_rows", "Rows in a batch", self.commit_rows.clone());
        registry.register(
            "commit_conflicts",
            "Batches that conflicted with another collector's commit and were proposed again",
            self.commit_conflicts.clone(),
        );
        registry.register(
            "inventory_diverged",
            "1 while this inventory differs from the digest of another collector",
            self.inventory_diverged.clone(),
        );
        registry.register(
            "roster_repaired",
            "Instances of agents corrected from the reports of other collectors",
            self.roster_repaired.clone(),
        );
        registry.register(
            "changes_delayed",
            "Changes of an instance deferred because an earlier change was written within register.default.change_interval",
            self.changes_delayed.clone(),
        );
        registry.register(
            "store_damaged",
            "Keys of a shared store found unreadable or missing, counted at each observation",
            self.store_damaged.clone(),
        );
    }

    pub(crate) fn committed(&self, rows: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(nanos, Relaxed);
        self.commit_rows
            .observe(u32::try_from(rows).unwrap_or(u32::MAX).into());
    }
}
