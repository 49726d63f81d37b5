//! The listeners' own counters, read at each scrape.

use std::{fmt, net::SocketAddr, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{Closed, Full, Room, Stats};

/// The metrics of every listener.
#[derive(Debug)]
pub struct Exposition {
    /// The counters of each listener, by its address.
    pub listeners: Vec<(SocketAddr, Arc<Stats>)>,
    /// The connection limits that all listeners share.
    pub room: Room,
    /// The most standing connections of one listener.
    pub max_connections: usize,
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode_open(&mut encoder)?;
        self.encode_limits(&mut encoder)?;
        let refused = "Connections closed at once for lack of room, by exhausted limit";
        self.encode_reasons(
            &mut encoder,
            ("connections_refused", refused),
            Full::ALL.map(|why| (why.label(), move |stats: &Stats| stats.refused(why))),
        )?;
        let closed = "Connections that were accepted and closed by the collector, by reason";
        self.encode_reasons(
            &mut encoder,
            ("connections_closed", closed),
            Closed::ALL.map(|why| (why.label(), move |stats: &Stats| stats.closed_for(why))),
        )
    }
}

impl Exposition {
    fn encode_open(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Read = fn(&Stats) -> u64;
        let open: Read = |stats| u64::try_from(stats.open()).unwrap_or(u64::MAX);
        let lingering: Read = |stats| u64::try_from(stats.lingering()).unwrap_or(u64::MAX);
        let counter = MetricType::Counter;
        let connections: [(&str, &str, MetricType, Read); 7] = [
            (
                "connections",
                "Connections open now",
                MetricType::Gauge,
                open,
            ),
            (
                "connections_lingering",
                "Open connections that the collector has ended and whose peers have not closed them, each for at most 10 s",
                MetricType::Gauge,
                lingering,
            ),
            (
                "connections_accepted",
                "Connections accepted",
                counter,
                Stats::accepted,
            ),
            (
                "connections_brief",
                "Connections over the limit that were served a single request",
                counter,
                Stats::brief,
            ),
            (
                "requests_stalled",
                "Requests that stalled: less than 1 KiB arrived within the read timeout",
                counter,
                Stats::stalled,
            ),
            (
                "requests_expired",
                "Calls that exceeded their time limit",
                counter,
                Stats::expired,
            ),
            (
                "pings_extended",
                "Pings of HTTP/2 connections that got more time for their answer because this collector had stalled",
                counter,
                Stats::pings_extended,
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
        Ok(())
    }

    /// Encodes the connection limits: of one listener, of all listeners, and of one peer.
    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Most connections before further ones are served one request or closed, by scope: a listener, all listeners \
                    (descriptors), a peer";
        let mut family =
            encoder.encode_descriptor("connections_limit", help, None, MetricType::Gauge)?;
        for (scope, limit) in [
            (Full::Listener, self.max_connections),
            (Full::Descriptors, self.room.limit()),
            (Full::Peer, self.room.per_peer()),
        ] {
            let labels = [("of", scope.label())];
            let metric = family.encode_family(&labels)?;
            value(
                u64::try_from(limit).unwrap_or(u64::MAX),
                MetricType::Gauge,
                metric,
            )?;
        }
        Ok(())
    }

    fn encode_reasons<const N: usize>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        reasons: [(&'static str, impl Fn(&Stats) -> u64); N],
    ) -> Result<(), fmt::Error> {
        let counter = MetricType::Counter;
        let mut family = encoder.encode_descriptor(name, help, None, counter)?;
        for (address, stats) in &self.listeners {
            for (reason, read) in &reasons {
                let labels = [
                    ("listener", address.to_string()),
                    ("reason", (*reason).to_owned()),
                ];
                let metric = family.encode_family(&labels)?;
                value(read(stats), counter, metric)?;
            }
        }
        Ok(())
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
