//! Finds the leases that ran out.

use std::time::Duration;

use rollcall_domain::liveness::Transition;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Core;

/// How leases are swept.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two sweeps.
    pub tick: Duration,
    /// Instances that are given up in one sweep, more or less by one step; the rest waits for the next one.
    pub limit: usize,
    /// A sweep that comes this much too late means that the collector itself was stopped (a paused machine, a starved
    /// process): its silence must not be held against the agents.
    pub stall: Duration,
    /// What everybody is given after a stall.
    pub grace: Duration,
}

/// Leases looked at before others may run. Most of them were renewed and are only filed anew.
const STEP: usize = 4096;

/// Sweeps at every tick: marks who fell silent or is down, and tells of it. It never removes anybody.
#[derive(Debug)]
pub struct Sweeper {
    config: Config,
    core: Core,
}

impl Sweeper {
    pub(super) fn new(config: Config, core: Core) -> Self {
        Self { config, core }
    }

    /// Sweeps until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = self.core.clock.now();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = self.core.clock.now();
            let late = now.since(swept).saturating_sub(self.config.tick);
            if late > self.config.stall {
                tracing::warn!(?late, grace = ?self.config.grace, "this collector was stalled; nobody expires for the grace");
                self.core.lessor.hold_until(now.after(self.config.grace));
            }
            self.sweep().await;
            swept = self.core.clock.now();
        }
    }

    async fn sweep(&self) {
        let mut given_up = 0;
        let mut transitions = Vec::new();
        while self
            .core
            .lessor
            .expire(self.core.clock.now(), STEP, &mut transitions)
            && given_up < self.config.limit
        {
            given_up += transitions.len();
            self.tell(&mut transitions);
            tokio::task::yield_now().await;
        }
        self.tell(&mut transitions);
    }

    fn tell(&self, transitions: &mut Vec<Transition>) {
        for transition in transitions.drain(..) {
            self.core.events.changed(&self.core, &transition);
        }
    }
}
