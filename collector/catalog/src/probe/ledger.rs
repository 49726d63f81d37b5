//! The schedule of the probes, and their results so far.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Checker, InstanceRef},
};

use super::{attempt::Outcome, pace::Pace};

/// The delay of the first probe of an instance, in milliseconds: the instance may still be starting. Less than [`SPREAD`] is added,
/// by the number of the instance.
const FIRST: u64 = 2_000;
const SPREAD: u32 = 3_000;
/// The interval after which an instance that could not be probed is tried again. By then its cluster may have a checker, or its
/// name an allowed address.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// The schedule of the probes, and their results so far.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    state: Mutex<State>,
    succeeded: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    skipped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    paces: HashMap<InstanceRef, Pace>,
    due: BTreeSet<(Moment, InstanceRef)>,
}

/// The number of scheduled instances now, and the totals of the probes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCounts {
    /// Persistent instances in the schedule, including those without a checker or at a refused address.
    pub instances: usize,
    /// Probes that succeeded.
    pub succeeded: u64,
    /// Probes that failed.
    pub failed: u64,
    /// Probes that were not made because their address is not in an allowed range.
    pub refused: u64,
    /// Probes that were not made because their name was not resolved in time.
    pub skipped: u64,
}

impl Probes {
    /// Adds an instance that may have to be probed.
    pub(crate) fn add(&self, instance: InstanceRef, now: Moment) {
        let mut state = self.state.lock();
        if state.paces.insert(instance, Pace::default()).is_none() {
            let delay = FIRST + u64::from(instance.number() % SPREAD);
            let first = now.after(Duration::from_millis(delay));
            state.due.insert((first, instance));
        }
    }

    pub(crate) fn counts(&self) -> ProbeCounts {
        ProbeCounts {
            instances: self.state.lock().paces.len(),
            succeeded: self.succeeded.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
        }
    }

    /// Takes a due instance. It is due again only after [`Probes::again`].
    pub(super) fn take(&self, now: Moment) -> Option<InstanceRef> {
        let mut state = self.state.lock();
        let (at, _) = *state.due.first()?;
        if at > now {
            return None;
        }
        state.due.pop_first().map(|(_, instance)| instance)
    }

    pub(super) fn again(&self, instance: InstanceRef, at: Moment) {
        self.state.lock().due.insert((at, instance));
    }

    /// Counts a probe that the operator does not allow.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts a probe whose name was not resolved in time.
    pub(super) fn skip(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    pub(super) fn forget(&self, instance: InstanceRef) {
        self.state.lock().paces.remove(&instance);
    }

    /// Records an outcome. Returns the health of the instance if the outcome decides it, and the time of the next probe.
    pub(super) fn record(
        &self,
        instance: InstanceRef,
        checker: &Checker,
        outcome: Outcome,
        times: u32,
    ) -> (Option<bool>, Duration) {
        let count = match outcome {
            Outcome::Success(_) => &self.succeeded,
            Outcome::Soft | Outcome::Hard => &self.failed,
        };
        count.fetch_add(1, Relaxed);
        let mut state = self.state.lock();
        match state.paces.get_mut(&instance) {
            Some(pace) => pace.record(checker, outcome, times),
            None => (None, IDLE),
        }
    }
}
