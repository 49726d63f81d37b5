//! Histograms of the time that calls took: one family for the calls of agents, one for those of Nacos clients.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::Outcome;

/// The upper bounds of the buckets, in microseconds.
const BOUNDS: [u32; 11] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000,
];

/// The histograms of one call, or of all calls of one generation of agents: one for each outcome. Counting takes three atomic
/// additions and no lock, because every heartbeat is counted. Clones share the histograms.
#[derive(Clone, Debug)]
pub struct Durations(Arc<[Histogram; Outcome::ALL.len()]>);

#[derive(Debug, Default)]
struct Histogram {
    /// The calls in each bucket. The last bucket has the calls above every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// A family of histograms with the same labels. Clones are the same family.
#[derive(Clone, Debug)]
pub(crate) struct Family<const LABELS: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; LABELS],
    members: Members<LABELS>,
}

/// The histograms of a family with the values of their labels.
type Members<const LABELS: usize> = Arc<Mutex<Vec<([&'static str; LABELS], Durations)>>>;

impl Durations {
    /// Counts a call that took this long.
    pub fn count(&self, outcome: Outcome, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let histogram = &self.0[outcome.index()];
        let bucket = BOUNDS.partition_point(|bound| u64::from(*bound) < micros);
        histogram.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        histogram.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Family<1> {
    /// The calls of agents, by their generation.
    pub(crate) fn of_agents() -> Self {
        Self {
            name: "call_seconds",
            help: "Time from a complete request to its answer, by generation of the client and outcome, in seconds; \
                   without streams and the lists of collectors",
            labels: ["generation"],
            members: Arc::default(),
        }
    }
}

impl Family<2> {
    /// The calls of Nacos clients, by protocol and call.
    pub(crate) fn of_nacos() -> Self {
        Self {
            name: "nacos_call_seconds",
            help: "Time from a complete request of a Nacos client to its answer, by protocol, call and outcome, in seconds; \
                   without pushes",
            labels: ["protocol", "call"],
            members: Arc::default(),
        }
    }
}

impl<const LABELS: usize> Family<LABELS> {
    /// The histograms with these values of the labels.
    pub(crate) fn of(&self, values: [&'static str; LABELS]) -> Durations {
        let mut members = self.members.lock();
        if let Some((_, durations)) = members.iter().find(|(known, _)| *known == values) {
            return durations.clone();
        }
        let durations = Durations(Arc::default());
        members.push((values, durations.clone()));
        durations
    }
}

impl<const LABELS: usize> Collector for Family<LABELS> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family =
            encoder.encode_descriptor(self.name, self.help, None, MetricType::Histogram)?;
        for (values, durations) in self.members.lock().iter() {
            for outcome in Outcome::ALL {
                let histogram = &durations.0[outcome.index()];
                let (buckets, count) = histogram.buckets();
                if count == 0 {
                    continue;
                }
                let labels = self.labels.into_iter().zip(*values);
                let labels: Vec<_> = labels.chain([("outcome", outcome.label())]).collect();
                let mut metric = family.encode_family(&labels)?;
                let sum = Duration::from_micros(histogram.micros.load(Ordering::Relaxed));
                metric.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), count, &buckets, None)?;
            }
        }
        Ok(())
    }
}

impl Histogram {
    /// The upper bound of each bucket in seconds with the calls in it, and the calls in all.
    fn buckets(&self) -> (Vec<(f64, u64)>, u64) {
        let bounds = BOUNDS
            .iter()
            .map(|bound| f64::from(*bound) / 1e6)
            .chain([f64::INFINITY]);
        let counts = self
            .buckets
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (buckets, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::{encoding::text::encode, registry::Registry};

    #[test]
    fn a_call_is_in_the_first_bucket_that_is_not_below_it() {
        let generations = Family::of_agents();
        let durations = generations.of(["5"]);
        for micros in [0, 100, 101, 6_000_000] {
            durations.count(Outcome::Ok, Duration::from_micros(micros));
        }
        generations
            .of(["5"])
            .count(Outcome::Failed, Duration::from_millis(2));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(generations));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"call_seconds_bucket{le="0.0001",generation="5",outcome="ok"} 2"#,
            r#"call_seconds_bucket{le="0.00025",generation="5",outcome="ok"} 3"#,
            r#"call_seconds_bucket{le="5.0",generation="5",outcome="ok"} 3"#,
            r#"call_seconds_bucket{le="+Inf",generation="5",outcome="ok"} 4"#,
            r#"call_seconds_count{generation="5",outcome="ok"} 4"#,
            r#"call_seconds_sum{generation="5",outcome="ok"} 6.000201"#,
            r#"call_seconds_count{generation="5",outcome="failed"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("overloaded"), "{text}");
    }

    #[test]
    fn a_call_of_a_nacos_client_has_its_protocol_and_name() {
        let calls = Family::of_nacos();
        let _not_called = calls.of(["grpc", "subscribe"]);
        calls
            .of(["http", "GET /v1/ns/instance/list"])
            .count(Outcome::Ok, Duration::from_millis(1));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(calls));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = r#"nacos_call_seconds_count{protocol="http",call="GET /v1/ns/instance/list",outcome="ok"} 1"#;
        assert!(text.contains(line), "{line} is not in\n{text}");
        assert!(!text.contains("subscribe"), "{text}");
    }
}
