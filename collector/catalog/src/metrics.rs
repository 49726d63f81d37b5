//! The metrics of the catalog's contents, read at each scrape.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{Catalog, Counts};

/// Exposes the counts and the limits of a catalog.
#[derive(Debug)]
pub struct Exposition(pub Catalog);

type Read = fn(&Counts) -> usize;

/// Gauges without labels.
const GAUGES: [(&str, &str, Read); 13] = [
    ("nacos_services", "Services of the catalog", |c| {
        c.registry.services
    }),
    (
        "nacos_healthy_instances",
        "Instances of the catalog that are healthy",
        |c| c.registry.healthy,
    ),
    (
        "nacos_overrides",
        "Overrides that operators set on instances, including those without an instance",
        |c| c.registry.overrides,
    ),
    (
        "nacos_publishers",
        "Publishers that own an instance of the catalog",
        |c| c.registry.publishers,
    ),
    (
        "nacos_subscriptions",
        "Subscriptions of services by Nacos clients",
        |c| c.subscriptions,
    ),
    (
        "nacos_catalog_bytes",
        "Memory charged for services and instances of the catalog, in bytes",
        |c| c.registry.bytes,
    ),
    (
        "nacos_waiting_changes",
        "Changes of the catalog that wait for the store",
        |c| c.waiting_changes,
    ),
    (
        "nacos_journal_bytes",
        "Size of the journal of ephemeral instances, catalog.journal, in bytes",
        |c| c.journal_bytes,
    ),
    (
        "nacos_probed_instances",
        "Persistent instances of the catalog in the schedule of probes, including those without a checker or at a refused address",
        |c| c.probes.instances,
    ),
    (
        "nacos_instances_of_members",
        "Ephemeral instances of the catalog whose clients use another collector",
        |c| c.registry.of_members,
    ),
    (
        "nacos_left_out_instances",
        "Ephemeral instances of other collectors that are not listed, because a limit is reached",
        |c| c.exchanged.left_out,
    ),
    (
        "nacos_unpublished_instances",
        "Ephemeral instances whose changes wait to be published for the other collectors",
        |c| c.exchanged.unpublished,
    ),
    (
        "nacos_due_pushes",
        "Services that changed and wait for the next push",
        |c| c.due_pushes,
    ),
];

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.counts();
        for (name, help, read) in GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge(read(&counts)).encode(metric)?;
        }
        let largest = self.0.largest_shares();
        for (name, help, held) in [
            (
                "nacos_most_services_of_a_peer",
                "Services charged to the peer with the largest share",
                largest.services,
            ),
            (
                "nacos_most_bytes_of_a_peer",
                "Memory of services and instances charged to the peer with the largest share, in bytes",
                largest.bytes,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge(held).encode(metric)?;
        }
        let help = "Instances of the catalog, by kind";
        let mut family =
            encoder.encode_descriptor("nacos_instances", help, None, MetricType::Gauge)?;
        let kinds = [
            ("ephemeral", counts.registry.ephemeral),
            ("persistent", counts.registry.persistent),
        ];
        for (kind, count) in kinds {
            let labels = [("kind", kind)];
            gauge(count).encode(family.encode_family(&labels)?)?;
        }
        self.encode_limits(&mut encoder)?;
        self.encode_totals(&mut encoder, &counts)
    }
}

impl Exposition {
    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let limits = self.0.limits();
        let help = "Limits of the catalog, by their key in nacos.default";
        let mut family = encoder.encode_descriptor("nacos_limit", help, None, MetricType::Gauge)?;
        for (key, limit) in [
            ("max_services", limits.services),
            ("max_services_per_peer", limits.services_per_peer),
            ("max_subscriptions", limits.subscriptions),
            ("max_connections", limits.connections),
            ("memory", limits.bytes),
            ("memory_per_peer", limits.bytes_per_peer),
            ("write_queue", self.0.write_queue()),
            ("journal", self.0.max_journal()),
        ] {
            let labels = [("key", key)];
            gauge(limit).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_totals(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        counts: &Counts,
    ) -> Result<(), fmt::Error> {
        let help = "Commits of the catalog that its store refused, including those of the list of ephemeral instances";
        let metric =
            encoder.encode_descriptor("nacos_failed_commits", help, None, MetricType::Counter)?;
        ConstCounter::new(counts.failed_commits).encode(metric)?;
        let exchanged = counts.exchanged;
        for (name, help, total) in [
            (
                "nacos_published_changes",
                "Changes of ephemeral instances that this collector published for the other collectors",
                exchanged.published,
            ),
            (
                "nacos_failed_publications",
                "Writes of changes of ephemeral instances for the other collectors that failed; they are repeated",
                exchanged.failed,
            ),
            (
                "nacos_unreadable_publications",
                "Changes of ephemeral instances of other collectors that could not be read and are skipped",
                exchanged.unreadable,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(total).encode(metric)?;
        }
        let help = "Probes of persistent instances, by outcome; refused: the address is in no range of probe_ranges; skipped: the \
                    name was not resolved in time";
        let mut family =
            encoder.encode_descriptor("nacos_probes", help, None, MetricType::Counter)?;
        for (outcome, total) in [
            ("succeeded", counts.probes.succeeded),
            ("failed", counts.probes.failed),
            ("refused", counts.probes.refused),
            ("skipped", counts.probes.skipped),
        ] {
            let labels = [("outcome", outcome)];
            ConstCounter::new(total).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
