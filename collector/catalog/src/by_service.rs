//! The gauge of instances by service and state.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use rollcall_domain::catalog::ServiceCounts;

use crate::Catalog;

/// The instances of each service by state, read at each scrape. Services beyond the limit share one series for each state, so
/// that clients that make up names cannot grow what Prometheus stores.
#[derive(Debug)]
pub struct ByService {
    catalog: Catalog,
    /// The most services with series of their own.
    limit: usize,
}

impl Catalog {
    /// The gauge of instances by service, with series of their own for at most `limit` services: the first ones in the order of
    /// namespace, group and name.
    #[must_use]
    pub fn by_service(&self, limit: usize) -> ByService {
        ByService {
            catalog: self.clone(),
            limit,
        }
    }
}

impl Collector for ByService {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Instances of Nacos services by service and state: healthy or unhealthy; overflow is true for all services \
                    beyond ui.jetty.max_service_metrics";
        let mut family =
            encoder.encode_descriptor("service_instances", help, None, MetricType::Gauge)?;
        let named = self.catalog.first_counted(self.limit);
        let registry = self.catalog.counts().registry;
        let mut rest = ServiceCounts {
            instances: registry.ephemeral + registry.persistent,
            healthy: registry.healthy,
        };
        for (_, counts) in &named {
            // The catalog may change between the two readings.
            rest.instances = rest.instances.saturating_sub(counts.instances);
            rest.healthy = rest.healthy.saturating_sub(counts.healthy);
        }
        let has_more = registry.services > named.len();
        let named = named.iter().map(|(key, counts)| {
            let labels = vec![
                ("namespace", key.namespace()),
                ("group", key.group()),
                ("service", key.name()),
            ];
            (labels, *counts)
        });
        let rest = has_more.then(|| (vec![("overflow", "true")], rest));
        for (labels, counts) in named.chain(rest) {
            let ServiceCounts { instances, healthy } = counts;
            for (state, count) in [
                ("healthy", healthy),
                ("unhealthy", instances.saturating_sub(healthy)),
            ] {
                let labels: Vec<_> = labels.iter().copied().chain([("state", state)]).collect();
                let metric = family.encode_family(&labels)?;
                ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(metric)?;
            }
        }
        Ok(())
    }
}
