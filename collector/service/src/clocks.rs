//! The clocks of agents: recorded as evidence, compared with this collector's, and never trusted.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_domain::{InstanceId, Timestamp};
use rollcall_link as link;

use super::Core;

/// A difference beyond this is a warning. Network and queues delay a call by far less.
const TOLERATED: Duration = Duration::from_secs(60);

/// The most instances whose warning is remembered. Further instances get no warning.
const REMEMBERED: usize = 10_000;

/// The instances whose clock was warned about.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks(Arc<Mutex<HashSet<InstanceId>>>);

impl Clocks {
    /// Records the instance. Returns whether a warning is due: it is the first for this instance, and fewer than [`REMEMBERED`]
    /// instances are recorded.
    fn is_new(&self, instance: InstanceId) -> bool {
        let mut warned = self.0.lock();
        warned.len() < REMEMBERED && warned.insert(instance)
    }
}

impl Core {
    /// Records the time of the agent's clock that a call carries. Returns how far the agent's clock is ahead of this
    /// collector's, in milliseconds, if no earlier call of the connection reported a time. Costs one load for every call of a
    /// connection but the first.
    pub(super) fn read_clock(&self, sent_at: Option<Timestamp>) -> Option<i32> {
        let sent_at = sent_at?;
        link::current(|seen| seen.observe_clock(sent_at, || self.clock.wall())).flatten()
    }

    /// Warns about a clock that differs much, once for each instance.
    pub(super) fn report_clock(&self, instance: InstanceId, skew: Option<i32>) {
        let Some(skew) = skew else {
            return;
        };
        let difference = Duration::from_millis(skew.unsigned_abs().into());
        if difference > TOLERATED && self.clocks.is_new(instance) {
            self.events.skewed(self, instance, skew);
        }
    }
}
