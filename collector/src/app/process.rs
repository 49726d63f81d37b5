//! The parts of the process environment that the composition root uses.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rollcall_metrics::LostLines;
use tokio::sync::Notify;

/// The properties of the process that are not configuration.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Log lines that were dropped, counted by the log.
    pub lost_lines: LostLines,
    /// The limit on open files; `None` for no limit.
    pub open_files: Option<usize>,
    /// Notified when the certificate files are to be read again.
    pub reload: Arc<Notify>,
}

/// The resources that the process uses, read from `/proc` at each scrape. A value that the system does not provide is left out.
#[derive(Debug)]
pub(super) struct Usage;

/// A metric of the process: its name, help, type and value.
type Row = (&'static str, &'static str, MetricType, Option<f64>);

impl Usage {
    pub(super) const fn new() -> Self {
        Self
    }

    #[cfg(target_os = "linux")]
    fn read() -> [Row; 6] {
        use procfs::{WithCurrentSystemInfo as _, process::Process};

        let process = Process::myself().ok();
        let process = process.as_ref();
        let stat = process.and_then(|process| process.stat().ok());
        let stat = stat.as_ref();
        let ticks = procfs::ticks_per_second();
        let cpu = stat.map(|stat| seconds(stat.utime + stat.stime, ticks));
        let resident = stat.map(|stat| float(stat.rss_bytes().get()));
        let size = stat.map(|stat| float(stat.vsize));
        let boot = procfs::boot_time_secs().ok();
        let start = stat
            .zip(boot)
            .map(|(stat, boot)| float(boot) + seconds(stat.starttime, ticks));
        let open = process
            .and_then(|process| process.fd_count().ok())
            .map(|count| float(u64::try_from(count).unwrap_or(u64::MAX)));
        let most =
            process
                .and_then(|process| process.limits().ok())
                .and_then(|limits| match limits.max_open_files.soft_limit {
                    procfs::process::LimitValue::Value(limit) => Some(float(limit)),
                    procfs::process::LimitValue::Unlimited => None,
                });
        rows([cpu, resident, size, start, open, most])
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> [Row; 6] {
        rows([None; 6])
    }
}

fn rows([cpu, resident, size, start, open, most]: [Option<f64>; 6]) -> [Row; 6] {
    let gauge = MetricType::Gauge;
    [
        (
            "process_cpu_seconds",
            "Processor time of the process, in seconds",
            MetricType::Counter,
            cpu,
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory of the process, in bytes",
            gauge,
            resident,
        ),
        (
            "process_virtual_memory_bytes",
            "Address space of the process, in bytes",
            gauge,
            size,
        ),
        (
            "process_start_time_seconds",
            "Start time of the process, in seconds since 1970",
            gauge,
            start,
        ),
        ("process_open_fds", "Open file descriptors", gauge, open),
        (
            "process_max_fds",
            "Most open file descriptors (ulimit -n)",
            gauge,
            most,
        ),
    ]
}

impl Collector for Usage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, kind, value) in Self::read() {
            let Some(value) = value else { continue };
            let metric = encoder.encode_descriptor(name, help, None, kind)?;
            match kind {
                MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                _ => ConstGauge::new(value).encode(metric)?,
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn seconds(ticks: u64, per_second: u64) -> f64 {
    float(ticks) / float(per_second)
}

/// The nearest number; exact up to 2^53.
#[cfg(target_os = "linux")]
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn float(value: u64) -> f64 {
    value as f64
}
