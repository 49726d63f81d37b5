//! What the listeners count themselves, read when somebody asks.

use std::{fmt, net::SocketAddr, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::server::{Budget, Stats};

/// The counters of every listener, and of the memory that their requests share.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) listeners: Vec<(SocketAddr, Arc<Stats>)>,
    pub(super) budget: Budget,
}

impl Collector for Listeners {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Read = fn(&Stats) -> u64;
        let open: Read = |stats| u64::try_from(stats.open()).unwrap_or(u64::MAX);
        let connections: [(&str, &str, MetricType, Read); 3] = [
            (
                "connections",
                "Connections open now",
                MetricType::Gauge,
                open,
            ),
            (
                "connections_accepted",
                "Connections accepted",
                MetricType::Counter,
                Stats::accepted,
            ),
            (
                "connections_refused",
                "Connections beyond the limit",
                MetricType::Counter,
                Stats::refused,
            ),
        ];
        for (name, help, kind, read) in connections {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (address, stats) in &self.listeners {
                let labels = [("listener", address.to_string())];
                let metric = family.encode_family(&labels)?;
                value(read(stats), kind, metric)?;
            }
        }
        let held = u64::try_from(self.budget.held()).unwrap_or(u64::MAX);
        let help = "Bytes of request bodies held now";
        let held_encoder =
            encoder.encode_descriptor("inbound_bytes", help, None, MetricType::Gauge)?;
        value(held, MetricType::Gauge, held_encoder)?;
        let help = "Requests that the memory for bodies could not carry";
        let refused =
            encoder.encode_descriptor("inbound_refused", help, None, MetricType::Counter)?;
        value(self.budget.refused(), MetricType::Counter, refused)
    }
}

fn value(
    value: u64,
    kind: MetricType,
    encoder: prometheus_client::encoding::MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(encoder),
        _ => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder),
    }
}
