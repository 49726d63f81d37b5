//! Whether this collector accepts traffic, and the conditions that degrade it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
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
        conditions.unmet.insert(condition, reason.into());
        self.announce(&conditions);
    }

    /// Sets a `condition` that degrades the collector without making it unready, with the reason.
    pub fn degraded(&self, condition: &'static str, reason: impl Into<Cow<'static, str>>) {
        let mut conditions = self.conditions.lock();
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
        let Conditions {
            unmet,
            degraded,
            temporary,
        } = &*self.conditions.lock();
        let mut reasons = degraded.clone();
        let now = Instant::now();
        let temporary = temporary.iter().filter(|(_, (_, until))| *until > now);
        reasons.extend(temporary.map(|(condition, (reason, _))| (*condition, reason.clone())));
        reasons.extend(unmet.clone());
        match (unmet.is_empty(), reasons.is_empty()) {
            (true, true) => Status::Ready,
            (true, false) => Status::Degraded(reasons),
            (false, _) => Status::Unready(reasons),
        }
    }
}
