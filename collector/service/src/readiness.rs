//! Whether this collector may be sent traffic, and what is wrong with it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The condition of being known to the other collectors, and of knowing them.
pub const CLUSTER: &str = "cluster";

/// The condition of being sent nothing by other collectors that cannot be carried out.
pub const REMOTE: &str = "remote";

/// Why, in words for the operator, by condition.
pub type Reasons = BTreeMap<&'static str, Cow<'static, str>>;

/// The conditions that keep a collector from being ready, and those that it serves in spite of.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<Conditions>>,
}

#[derive(Debug, Default)]
struct Conditions {
    unmet: Reasons,
    degraded: Reasons,
    /// Those that degrade it until a time, unless they happen again.
    passing: BTreeMap<&'static str, (Cow<'static, str>, Instant)>,
}

/// How a collector is, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Traffic may come.
    Ready,
    /// Traffic may come; something that needs no traffic to heal is wrong.
    Degraded(Reasons),
    /// No traffic may come. What degrades it is told too.
    Unready(Reasons),
}

impl Readiness {
    /// Says that `condition` keeps the collector from being ready, and why.
    pub fn unmet(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        let mut conditions = self.conditions.lock();
        conditions.unmet.insert(condition, reason.into());
    }

    /// Says that `condition` is not as it should be, which keeps no traffic away, and why.
    pub fn degraded(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        let mut conditions = self.conditions.lock();
        conditions.degraded.insert(condition, reason.into());
    }

    /// Says that something has happened that keeps no traffic away, and counts until `until` unless it happens again. Whether
    /// it had not happened for as long as that.
    pub fn degraded_until(
        &self,
        condition: &'static str,
        reason: impl Into<Cow<'static, str>>,
        until: Instant,
    ) -> bool {
        let mut conditions = self.conditions.lock();
        let before = conditions.passing.insert(condition, (reason.into(), until));
        before.is_none_or(|(_, until)| until <= Instant::now())
    }

    /// Says that `condition` is as it should be.
    pub fn met(&self, condition: &'static str) {
        let mut conditions = self.conditions.lock();
        conditions.unmet.remove(condition);
        conditions.degraded.remove(condition);
    }

    /// Whether traffic may come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.conditions.lock().unmet.is_empty()
    }

    /// Whether `condition` is not as it should be, and keeps no traffic away.
    #[must_use]
    pub fn is_degraded(&self, condition: &str) -> bool {
        self.conditions.lock().degraded.contains_key(condition)
    }

    /// How the collector is, and why.
    #[must_use]
    pub fn status(&self) -> Status {
        let Conditions {
            unmet,
            degraded,
            passing,
        } = &*self.conditions.lock();
        let mut reasons = degraded.clone();
        let now = Instant::now();
        let passing = passing.iter().filter(|(_, (_, until))| *until > now);
        reasons.extend(passing.map(|(condition, (reason, _))| (*condition, reason.clone())));
        reasons.extend(unmet.clone());
        match (unmet.is_empty(), reasons.is_empty()) {
            (true, true) => Status::Ready,
            (true, false) => Status::Degraded(reasons),
            (false, _) => Status::Unready(reasons),
        }
    }
}
