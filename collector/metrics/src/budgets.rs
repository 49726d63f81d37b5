//! The memory budgets' own counters, read at each scrape.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rollcall_limits::Budget;

/// Every budget of the process, in the order of their addition. Cheap to clone; clones are the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets(Arc<Mutex<Vec<Budget>>>);

impl Budgets {
    pub(super) fn add(&self, budget: Budget) {
        self.0.lock().push(budget);
    }

    pub(super) fn all(&self) -> Vec<Budget> {
        self.0.lock().clone()
    }
}

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Read = fn(&Budget) -> u64;
        let series: [(&str, &str, MetricType, Read); 4] = [
            (
                "budget_bytes",
                "Memory held, by budget, in bytes",
                MetricType::Gauge,
                |budget| u64::try_from(budget.held()).unwrap_or(u64::MAX),
            ),
            (
                "budget_limit_bytes",
                "Limit of each memory budget, in bytes",
                MetricType::Gauge,
                |budget| u64::try_from(budget.limit()).unwrap_or(u64::MAX),
            ),
            (
                "budget_refused",
                "Requests refused because a memory budget was exhausted",
                MetricType::Counter,
                Budget::refused,
            ),
            (
                "budget_share_refused",
                "Requests among them refused because one peer had used up its share of the budget",
                MetricType::Counter,
                Budget::refused_shares,
            ),
        ];
        for (name, help, kind, read) in series {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for budget in self.0.lock().iter() {
                let labels = [("budget", budget.name())];
                let metric = family.encode_family(&labels)?;
                match kind {
                    MetricType::Counter => ConstCounter::new(read(budget)).encode(metric)?,
                    _ => ConstGauge::new(i64::try_from(read(budget)).unwrap_or(i64::MAX))
                        .encode(metric)?,
                }
            }
        }
        Ok(())
    }
}
