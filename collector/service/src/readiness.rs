//! Whether this collector accepts traffic, and the conditions that degrade it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::{sync::watch, time::Instant};

/// The condition that this collector and the other members see each other.
pub const CLUSTER: &str = "cluster";

/// The condition that this collector can process all calls of the other collectors.
pub const REMOTE: &str = "remote";

/// The reasons to show to the operator, by condition.
pub type Reasons = BTreeMap<&'static str, Cow<'static, str>>;

/// The conditions that make a collector unready, and those that only degrade it.
#[derive(Clone, Debug)]
pub struct Readiness {
    conditions: Arc<Mutex<Conditions>>,
    /// Whether the collector accepts traffic.
    is_ready: watch::Sender<bool>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            conditions: Arc::default(),
            is_ready: watch::Sender::new(true),
        }
    }
}

#[derive(Debug, Default)]
struct Conditions {
    unmet: Reasons,
    degraded: Reasons,
    /// Conditions that degrade the collector until a time, which each recurrence extends.
    temporary: BTreeMap<&'static str, (Cow<'static, str>, Instant)>,
    /// All conditions that were set since the start, for the metrics.
    known: BTreeSet<&'static str>,
}

/// The status of a collector, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The collector accepts traffic.
    Ready,
    /// The collector accepts traffic in spite of these conditions.
    Degraded(Reasons),
    /// The collector accepts no traffic. The reasons include those that only degrade it.
    Unready(Reasons),
}

impl Readiness {
    /// Sets a `condition` that makes the collector unready, with the reason.
    pub fn unmet(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        let mut conditions = self.conditions.lock();
        conditions.known.insert(condition);
        conditions.unmet.insert(condition, reason.into());
        self.announce(&conditions);
    }

    /// Sets a `condition` that degrades the collector without making it unready, with the reason.
    pub fn degraded(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        let mut conditions = self.conditions.lock();
        conditions.known.insert(condition);
        conditions.degraded.insert(condition, reason.into());
    }

    /// Sets a `condition` that degrades the collector until `until`; a recurrence extends it. Returns whether the condition was
    /// not in effect before.
    pub fn degraded_until(
        &self,
        condition: &'static str,
        reason: impl Into<Cow<'static, str>>,
        until: Instant,
    ) -> bool {
        let mut conditions = self.conditions.lock();
        conditions.known.insert(condition);
        let before = conditions
            .temporary
            .insert(condition, (reason.into(), until));
        before.is_none_or(|(_, until)| until <= Instant::now())
    }

    /// Clears `condition`.
    pub fn met(&self, condition: &'static str) {
        let mut conditions = self.conditions.lock();
        conditions.unmet.remove(condition);
        conditions.degraded.remove(condition);
        self.announce(&conditions);
    }

    /// Announces the readiness. Called under the lock, so that the last change is announced last.
    fn announce(&self, conditions: &Conditions) {
        let is_ready = conditions.unmet.is_empty();
        self.is_ready.send_if_modified(|before| {
            let has_changed = *before != is_ready;
            *before = is_ready;
            has_changed
        });
    }

    /// Whether the collector accepts traffic, now and after every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.is_ready.subscribe()
    }

    /// Whether the collector accepts traffic.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.conditions.lock().unmet.is_empty()
    }

    /// Whether `condition` degrades the collector.
    #[must_use]
    pub fn is_degraded(&self, condition: &str) -> bool {
        self.conditions.lock().degraded.contains_key(condition)
    }

    /// The status of the collector, with the reasons.
    #[must_use]
    pub fn status(&self) -> Status {
        let conditions = self.conditions.lock();
        let reasons = conditions.reasons();
        match (conditions.unmet.is_empty(), reasons.is_empty()) {
            (true, true) => Status::Ready,
            (true, false) => Status::Degraded(reasons),
            (false, _) => Status::Unready(reasons),
        }
    }
}

impl Conditions {
    /// All conditions that are in effect.
    fn reasons(&self) -> Reasons {
        let mut reasons = self.degraded.clone();
        let now = Instant::now();
        let temporary = self.temporary.iter().filter(|(_, (_, until))| *until > now);
        reasons.extend(temporary.map(|(condition, (reason, _))| (*condition, reason.clone())));
        reasons.extend(self.unmet.clone());
        reasons
    }
}

impl Collector for Readiness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (known, reasons) = {
            let conditions = self.conditions.lock();
            (conditions.known.clone(), conditions.reasons())
        };
        let mut family = encoder.encode_descriptor(
            "degraded",
            "1 while this cause degrades the collector or makes it unready, as /readyz shows it; causes that did not occur since the \
             start are missing, and full connections are counted in rollcall_connections",
            None,
            MetricType::Gauge,
        )?;
        for cause in known {
            let value = ConstGauge::new(i64::from(reasons.contains_key(cause)));
            value.encode(family.encode_family(&[("cause", cause)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::testing::Fixture;

    #[tokio::test(start_paused = true)]
    async fn a_cause_has_a_gauge_from_its_first_occurrence() {
        let fixture = Fixture::start();
        let readiness = &fixture.services.readiness;
        let series = || {
            let text = fixture.services.exposition();
            let lines = text.lines();
            let series = lines.filter_map(|line| line.strip_prefix("rollcall_degraded{cause="));
            series.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(series().is_empty());
        readiness.unmet("a", "reason");
        readiness.degraded("b", "reason");
        let until = Instant::now() + Duration::from_secs(1);
        readiness.degraded_until("c", "reason", until);
        assert_eq!(series(), [r#""a"} 1"#, r#""b"} 1"#, r#""c"} 1"#]);
        readiness.met("b");
        advance(Duration::from_secs(1)).await;
        assert_eq!(series(), [r#""a"} 1"#, r#""b"} 0"#, r#""c"} 0"#]);
    }
}
