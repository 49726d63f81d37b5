//! Expires leases at regular intervals.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    InstanceId,
    liveness::{MassConfig, Slow, Transition},
    membership::{State, View},
};
use rollcall_link::Links;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Core,
    events::CollectorEvent,
    members::{Departure, missing_in},
    readiness::Readiness,
};

mod guard;
#[cfg(test)]
mod tests;

pub use guard::Suspect;
use guard::Watch;

/// Settings of the sweeper.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two sweeps.
    pub tick: Duration,
    /// About the number of leases that one sweep expires; the others wait for the next sweep. The limit is raised for a fleet that
    /// would otherwise take longer than one term.
    pub limit: usize,
    /// A sweep that is late by more than this shows that the collector itself stalled (a paused machine, a starved process). Every
    /// lease then gets a full term, because the collector could not receive signals.
    pub stall: Duration,
    /// The conditions under which a mass silence is reported.
    pub mass: MassConfig,
    /// Returns a reason why this collector may itself be the cause of a mass silence.
    pub suspect: Suspect,
}

/// The readiness condition that no agent's interval is longer than the configured term.
const TERMS: &str = "terms";

/// Leases examined before other tasks get a turn. Most of them were renewed and only move in the timing wheel.
const STEP: usize = 4096;

/// Sweeps at every tick: marks instances as silent or down and publishes the transitions. It removes no instance.
#[derive(Debug)]
pub struct Sweeper {
    config: Config,
    core: Core,
    readiness: Readiness,
    has_warned: bool,
    watch: Watch,
    members: watch::Receiver<Arc<View>>,
    known: Arc<View>,
}

impl Sweeper {
    pub(super) fn new(
        config: &Config,
        core: &Core,
        readiness: &Readiness,
        (members, links): (watch::Receiver<Arc<View>>, Links),
    ) -> Self {
        let known = Arc::clone(&members.borrow());
        for member in known.members() {
            core.names.set(&member.address, None);
        }
        Self {
            watch: Watch::new(config, core, links),
            known,
            members,
            config: config.clone(),
            core: core.clone(),
            readiness: readiness.clone(),
            has_warned: false,
        }
    }

    /// Sweeps until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = self.core.clock.now();
        // The listeners start to accept at about this time.
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
                    "this collector stalled, every lease gets a full term"
                );
                self.core.lessor.resume(now);
                self.watch.stalled(&self.core, now, late);
            }
            self.follow_members();
            self.sweep().await;
            self.watch.poll(&self.core);
            self.report_slow();
            self.core.events.report_lines(&self.core);
            self.core
                .events
                .feed()
                .report_counted(self.core.clock.wall());
            self.core.listening.is_still_on();
            swept = self.core.clock.now();
        }
    }

    async fn sweep(&mut self) {
        let (lessor, config) = (&self.core.lessor, &self.config);
        let silent_after = lessor.terms().silent_after;
        // Leases that are down need no sweep, but a limit computed without them would shrink during a wave and delay its end.
        let counts = lessor.counts();
        let leases = counts.filed + counts.down;
        let limit = limit_for(config.limit, leases, config.tick, silent_after);
        let mut expired = 0;
        let mut transitions = Vec::new();
        while self
            .core
            .lessor
            .expire(self.core.clock.now(), STEP, &mut transitions)
            && expired < limit
        {
            expired += transitions.len();
            self.publish(&mut transitions);
            tokio::task::yield_now().await;
        }
        self.publish(&mut transitions);
    }

    fn publish(&mut self, transitions: &mut Vec<Transition<InstanceId>>) {
        for transition in transitions.drain(..) {
            self.watch.observe(&self.core, &transition);
            self.core.events.changed(&self.core, &transition);
        }
    }

    /// Records which collectors joined and left.
    fn follow_members(&mut self) {
        let view = Arc::clone(&self.members.borrow_and_update());
        if Arc::ptr_eq(&view, &self.known) {
            return;
        }
        let at = self.core.clock.wall();
        let feed = self.core.events.feed();
        for joined in missing_in(&self.known, &view) {
            let member = Arc::clone(&joined.address);
            self.core.names.set(&member, None);
            feed.collector(at, CollectorEvent::MemberJoined { member });
        }
        for left in missing_in(&view, &self.known) {
            let member = Arc::clone(&left.address);
            // A collector announces a planned stop: it drains first.
            let expired = left.state != State::Draining;
            self.core
                .names
                .set(&member, Some(Departure { at, expired }));
            feed.collector(at, CollectorEvent::MemberLeft { member, expired });
        }
        self.known = view;
    }

    /// Reports instances whose usual interval is longer than the configured term: once in the log, and in the readiness while
    /// such instances exist.
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
            self.core
                .events
                .slow(&self.core, example, usual, configured);
        }
    }
}

/// The number of leases that one sweep expires: at least the configured `limit`, and enough for all `leases` to expire within one
/// term of `silent_after`.
fn limit_for(limit: usize, leases: usize, tick: Duration, silent_after: Duration) -> usize {
    let ticks = silent_after.as_millis() / tick.as_millis().max(1);
    let ticks = usize::try_from(ticks.max(1)).unwrap_or(usize::MAX);
    limit.max(leases.div_ceil(ticks))
}
