//! The metrics of a feed, read at each scrape.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{Feed, Lane, state::Unrecorded};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

impl Collector for Feed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.figures();
        let recorded = ConstCounter::new(figures.recorded);
        let encode = encoder.encode_descriptor(
            "events",
            "Events recorded in this run",
            None,
            recorded.metric_type(),
        )?;
        recorded.encode(encode)?;
        self.encode_unrecorded(figures.unrecorded, &mut encoder)?;
        let missing = ConstCounter::new(figures.missing);
        let encode = encoder.encode_descriptor(
            "events_not_journaled",
            "Events that the journal lacks because the disk was full or too slow",
            None,
            missing.metric_type(),
        )?;
        missing.encode(encode)?;
        let waiting = gauge(figures.waiting);
        let encode = encoder.encode_descriptor(
            "events_waiting",
            "Events that wait for the journal",
            None,
            waiting.metric_type(),
        )?;
        waiting.encode(encode)?;
        let first = gauge(0);
        let mut family = encoder.encode_descriptor(
            "timelines",
            "Timelines of instances in memory, by lane (agents or services)",
            None,
            first.metric_type(),
        )?;
        for (lane, count) in [Lane::Agents, Lane::Services]
            .into_iter()
            .zip(figures.timelines)
        {
            let label = LaneLabel { lane: lane.name() };
            gauge(count).encode(family.encode_family(&label)?)?;
        }
        let Some(sizes) = figures.journals else {
            return Ok(());
        };
        let mut family = encoder.encode_descriptor(
            "events_journal_bytes",
            "Size of the journal of events on disk, by lane (agents, services or collector)",
            None,
            first.metric_type(),
        )?;
        for (lane, bytes) in Lane::ALL.into_iter().zip(sizes) {
            let label = LaneLabel { lane: lane.name() };
            let bytes = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            bytes.encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}

impl Feed {
    fn encode_unrecorded(
        &self,
        unrecorded: Unrecorded,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "events_unrecorded",
            "Changes that were counted and not recorded one by one, by limit: instance (it changes too often), peer (it causes \
             more than timeline.default.per_peer)",
            None,
            MetricType::Counter,
        )?;
        for (limit, count) in [
            ("instance", unrecorded.by_instance),
            ("peer", unrecorded.by_peer),
        ] {
            let labels = [("limit", limit)];
            let metric = family.encode_family(&labels)?;
            ConstCounter::new(count).encode(metric)?;
        }
        Ok(())
    }
}

fn gauge(count: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}
