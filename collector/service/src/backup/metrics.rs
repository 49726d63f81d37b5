//! The metrics of backups.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use rollcall_domain::Timestamp;

#[derive(Debug)]
pub(super) struct Metrics {
    running: Gauge,
    last: Gauge,
    failures: Counter,
}

/// Shows that a backup is being written, until it is dropped.
pub(super) struct Running(Gauge);

impl Metrics {
    pub(super) fn new(metrics: &rollcall_metrics::Metrics) -> Self {
        let own = Self {
            running: Gauge::default(),
            last: Gauge::default(),
            failures: Counter::default(),
        };
        metrics.extend(|registry| {
            registry.register(
                "backup_running",
                "1 while a backup of the store is written",
                own.running.clone(),
            );
            registry.register(
                "backup_last_success_timestamp_seconds",
                "Time of the last successful backup since the start, in seconds since 1970; 0 if there was none",
                own.last.clone(),
            );
            registry.register(
                "backup_failures",
                "Backups of the store that failed or were ended",
                own.failures.clone(),
            );
        });
        own
    }

    pub(super) fn running(&self) -> Running {
        self.running.set(1);
        Running(self.running.clone())
    }

    pub(super) fn succeeded(&self, at: Timestamp) {
        self.last.set(at.millis() / 1000);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(0);
    }
}
