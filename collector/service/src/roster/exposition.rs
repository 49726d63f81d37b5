//! The gauge of instances by application and state.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use rollcall_domain::liveness::Tally;

use super::{ApplicationStatus, Roster};

/// Applications read in one step.
const STEP: usize = 256;

/// The instances of each application by state, read at each scrape. Applications beyond the limit share one series, so that a
/// fleet that makes up names cannot grow what Prometheus stores.
#[derive(Debug)]
pub struct ByApplication {
    roster: Roster,
    /// The most applications with series of their own.
    limit: usize,
}

/// The tallies that a scrape reports.
#[derive(Debug, Default)]
struct Tallies {
    named: Vec<(String, Tally)>,
    /// Instances whose application, or its name, was never reported.
    unnamed: Tally,
    /// Instances of the applications beyond the limit.
    overflow: Tally,
}

impl Roster {
    /// The gauge of instances by application. At most `limit` applications have series of their own: the first ones in the list of
    /// applications with instances.
    #[must_use]
    pub fn by_application(&self, limit: usize) -> ByApplication {
        ByApplication {
            roster: self.clone(),
            limit,
        }
    }
}

impl ByApplication {
    fn tallies(&self) -> Tallies {
        let mut tallies = Tallies::default();
        let mut cursor = None;
        loop {
            let page = self.roster.applications(cursor, STEP);
            for status in page.items {
                tallies.add(status, self.limit);
            }
            cursor = page.next;
            if cursor.is_none() {
                return tallies;
            }
        }
    }
}

impl Tallies {
    fn add(&mut self, status: ApplicationStatus, limit: usize) {
        let tally = status.instances;
        if tally == Tally::default() {
            return;
        }
        match status.application.and_then(|application| application.code) {
            None => sum(&mut self.unnamed, tally),
            Some(code) if self.named.len() < limit => {
                self.named.push((code.as_ref().to_owned(), tally));
            }
            Some(_) => sum(&mut self.overflow, tally),
        }
    }
}

fn sum(total: &mut Tally, more: Tally) {
    total.up += more.up;
    total.silent += more.silent;
    total.down += more.down;
    total.left += more.left;
}

impl Collector for ByApplication {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Tallies {
            named,
            unnamed,
            overflow,
        } = self.tallies();
        let help = "Instances by application and state; application is missing if none was reported, and overflow is true \
                    for all applications beyond ui.jetty.max_application_metrics";
        let mut family = encoder.encode_descriptor("instances", help, None, MetricType::Gauge)?;
        let named = named
            .iter()
            .map(|(code, tally)| (Some(("application", &**code)), *tally));
        let rest = [(None, unnamed), (Some(("overflow", "true")), overflow)]
            .into_iter()
            .filter(|(_, tally)| *tally != Tally::default());
        for (label, tally) in named.chain(rest) {
            for (state, count) in [
                ("up", tally.up),
                ("silent", tally.silent),
                ("down", tally.down),
                ("left", tally.left),
            ] {
                let labels: Vec<_> = label.into_iter().chain([("state", state)]).collect();
                let metric = family.encode_family(&labels)?;
                ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(metric)?;
            }
        }
        Ok(())
    }
}
