//! Finds the leases that ran out.

use std::time::Duration;

use rollcall_domain::{
    InstanceId,
    liveness::{Slow, Transition},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Core, readiness::Readiness};

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
}

/// The condition that the terms are no shorter than the intervals of the agents.
const TERMS: &str = "terms";

/// Leases looked at before others may run. Most of them were renewed and are only filed anew.
const STEP: usize = 4096;

/// Sweeps at every tick: marks the instances that are silent or down, and publishes the transitions. It removes none.
#[derive(Debug)]
pub struct Sweeper {
    config: Config,
    core: Core,
    readiness: Readiness,
    has_warned: bool,
}

impl Sweeper {
    pub(super) fn new(config: Config, core: Core, readiness: Readiness) -> Self {
        Self {
            config,
            core,
            readiness,
            has_warned: false,
        }
    }

    /// Sweeps until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = self.core.clock.now();
        // The listeners accept from about now on.
        self.core.lessor.resume(swept);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = self.core.clock.now();
            let late = now.since(swept).saturating_sub(self.config.tick);
            if late > self.config.stall {
                tracing::warn!(
                    ?late,
                    "this collector was stalled, every term is counted anew"
                );
                self.core.lessor.resume(now);
            }
            self.sweep().await;
            self.report_slow();
            self.core.events.report_lines(&self.core);
            self.core.listening.is_on_still();
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

    fn tell(&self, transitions: &mut Vec<Transition<InstanceId>>) {
        for transition in transitions.drain(..) {
            self.core.events.changed(&self.core, &transition);
        }
    }

    /// Reports instances whose usual interval is longer than the configured term: once in the log, and in the readiness for as long
    /// as there are any.
    fn report_slow(&mut self) {
        let Some(Slow { count, example }) = self.core.lessor.slow() else {
            return self.readiness.met(TERMS);
        };
        let configured = self.core.lessor.terms().silent_after;
        let usual = self.core.lessor.view(example).map(|lease| lease.usual);
        let usual = usual.unwrap_or_default();
        self.readiness.degraded(
            TERMS,
            format!(
                "the agents of {count} instances send signals less often than every {configured:?}, instance {example} about every \
                 {usual:?}: their terms follow their own interval; raise liveness.default.silent_after and \
                 liveness.default.down_after above it"
            ),
        );
        if !self.has_warned {
            self.has_warned = true;
            tracing::warn!(
                instance.id = example.get(),
                interval = ?usual,
                silent_after = ?configured,
                "an agent sends signals less often than liveness.default.silent_after, its term follows its interval"
            );
        }
    }
}
