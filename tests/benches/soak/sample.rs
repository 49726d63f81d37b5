//! Samples of the collector, taken once per minute.

use std::{fmt, time::Instant};

use rollcall_tests::{http, process::Collector};

use crate::fleet::Fleet;

/// One sample: a row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) minute: u64,
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// The highest resident memory since the start, in bytes.
    pub(crate) peak: u64,
    budgets: u64,
    connections: u64,
    instances: u64,
    pub(crate) rounds: u64,
    pub(crate) failures: u64,
    naming_median_us: u128,
    naming_p99_us: u128,
}

/// Takes samples. Each sample has the time since the sampler was created.
pub(crate) struct Sampler {
    start: Instant,
    admin: http::Client,
}

impl Sampler {
    pub(crate) fn new(collector: &Collector) -> Self {
        Self {
            start: Instant::now(),
            admin: http::Client::new(collector.listeners().ui),
        }
    }

    pub(crate) async fn take(&mut self, collector: &Collector, fleet: &Fleet) -> Sample {
        let metrics = self.admin.get("/metrics").await;
        let metrics = metrics.map_or_else(|_| String::new(), |reply| reply.text());
        let naming = fleet.take_naming_times();
        let at = |percent: usize| {
            let index = naming.len() * percent / 100;
            naming.get(index).map_or(0, std::time::Duration::as_micros)
        };
        let (rounds, failures) = fleet.take_counts();
        Sample {
            minute: self.start.elapsed().as_secs() / 60,
            resident: collector.resident_bytes(),
            peak: collector.peak_resident_bytes(),
            budgets: sum(&metrics, "rollcall_budget_bytes{"),
            connections: sum(&metrics, "rollcall_connections{"),
            instances: sum(&metrics, "rollcall_leases{"),
            rounds,
            failures,
            naming_median_us: at(50),
            naming_p99_us: at(99),
        }
    }
}

/// The sum of the samples whose lines begin with `start`.
fn sum(metrics: &str, start: &str) -> u64 {
    let values = metrics.lines().filter(|line| line.starts_with(start));
    values
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

impl Sample {
    pub(crate) const HEADER: &str = "| Minute | Resident MiB | Peak MiB | Budgets held KiB | Connections | Instances | Honest rounds | Failed | Naming median us | p99 us |\n|---|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minute,
            resident,
            peak,
            budgets,
            connections,
            instances,
            rounds,
            failures,
            naming_median_us,
            naming_p99_us,
        } = self;
        write!(
            f,
            "| {minute} | {} | {} | {} | {connections} | {instances} | {rounds} | {failures} | {naming_median_us} | {naming_p99_us} |",
            resident >> 20,
            peak >> 20,
            budgets >> 10,
        )
    }
}
