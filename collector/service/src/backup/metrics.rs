//! The metrics of backups.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::Counter, gauge::ConstGauge, gauge::Gauge},
};
use rollcall_domain::Timestamp;

#[derive(Debug)]
pub(super) struct Metrics {
    running: Gauge,
    last: Last,
    failures: Counter,
}

/// The time of the last successful backup. Without one there is no sample, so that no alert computes an age from 0.
#[derive(Clone, Debug, Default)]
struct Last(Arc<Mutex<Option<Timestamp>>>);

/// Shows that a backup is being written, until it is dropped.
pub(super) struct Running(Gauge);

impl Metrics {
    pub(super) fn new(metrics: &rollcall_metrics::Metrics) -> Self {
        let own = Self {
            running: Gauge::default(),
            last: Last::default(),
            failures: Counter::default(),
        };
        metrics.extend(|registry| {
            registry.register(
                "backup_running",
                "1 while a backup of the store is written",
                own.running.clone(),
            );
            registry.register(
                "backup_failures",
                "Backups of the store that failed or were ended",
                own.failures.clone(),
            );
        });
        metrics.watch(own.last.clone());
        own
    }

    pub(super) fn running(&self) -> Running {
        self.running.set(1);
        Running(self.running.clone())
    }

    pub(super) fn succeeded(&self, at: Timestamp) {
        *self.last.0.lock() = Some(at);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}

impl Collector for Last {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let name = "backup_last_success_timestamp_seconds";
        let help = "Time of the newest backup, in seconds since 1970; absent if there is none";
        let sample = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        match *self.0.lock() {
            Some(at) => ConstGauge::new(at.millis() / 1000).encode(sample),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(0);
    }
}
