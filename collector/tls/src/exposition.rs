//! The metrics of the certificate, read at each scrape.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Certificates;

/// The metrics of a certificate. Without a certificate, the end of validity is absent and the counters are zero.
#[derive(Debug)]
pub struct Exposition(pub Option<Certificates>);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let expiry = encoder.encode_descriptor(
            "certificate_expiry_timestamp_seconds",
            "End of the validity of the certificate in use, in seconds since 1970",
            None,
            MetricType::Gauge,
        )?;
        // Without a certificate there is no value, because any value would raise an alert.
        if let Some(certificates) = &self.0 {
            ConstGauge::new(certificates.expires()).encode(expiry)?;
        }
        let counts = self.0.as_ref().map(Certificates::counts);
        let (exchanged, refused) = counts.unwrap_or_default();
        let mut reloads = encoder.encode_descriptor(
            "certificate_reloads",
            "Changes of the certificate files, by outcome: exchanged, or refused with the certificate in use kept",
            None,
            MetricType::Counter,
        )?;
        for (outcome, count) in [("exchanged", exchanged), ("refused", refused)] {
            let labels = [("outcome", outcome)];
            let metric = reloads.encode_family(&labels)?;
            ConstCounter::new(count).encode(metric)?;
        }
        Ok(())
    }
}
