//! Counters of dropped log lines.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
    },
};

/// The counters of dropped log lines, by reason. Clones share them. They are created with the log, before the other metrics.
#[derive(Clone, Debug, Default)]
pub struct LostLines {
    /// Lines dropped because standard error was too slow.
    pub full: Counter,
    /// Lines that standard error failed to write.
    pub failed: Counter,
}

impl LostLines {
    /// Lines lost for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full.get() + self.failed.get()
    }
}

impl Collector for LostLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Log lines dropped by reason: full (standard error was too slow), failed (it refused the line)";
        let counter = MetricType::Counter;
        let mut family = encoder.encode_descriptor("log_lines_dropped", help, None, counter)?;
        for (reason, lines) in [("full", &self.full), ("failed", &self.failed)] {
            let labels = [("reason", reason)];
            let metric = family.encode_family(&labels)?;
            ConstCounter::new(lines.get()).encode(metric)?;
        }
        Ok(())
    }
}
