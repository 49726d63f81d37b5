//! Writes the last-seen times of instances to the store at intervals, so that a restart keeps their states and the collectors
//! that share the store receive them.

use std::{collections::BTreeSet, future::pending, time::Duration};

use rollcall_domain::{
    InstanceId, Moment,
    liveness::{LeaseRecord, State},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Core,
    events::{Changed, InstanceEvent, InstanceKind},
    register,
};

/// Settings of the write-back.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two rounds, and so the greatest lag of the stored times.
    pub interval: Duration,
    /// Instances in one commit; the limit keeps registrations from waiting long for it.
    pub chunk: usize,
    /// Whether other collectors read the store. Changes of state are then written at once.
    pub shared: bool,
}

/// Writes the leases that changed since the last round. Never in the path of a request.
#[derive(Debug)]
pub struct WriteBack {
    config: Config,
    core: Core,
    register: register::Handle,
}

/// Changes of state are gathered for this time and written together, because instances often fall silent in groups.
const GATHER: Duration = Duration::from_millis(500);

impl WriteBack {
    pub(super) fn new(config: &Config, core: &Core, register: &register::Handle) -> Self {
        Self {
            config: config.clone(),
            core: core.clone(),
            register: register.clone(),
        }
    }

    /// Writes back until cancelled, then once more.
    pub async fn run(self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.core.events.feed().changes();
        let mut written = self.core.clock.now();
        ticks.tick().await;
        loop {
            let last = tokio::select! {
                biased;
                () = cancel.cancelled() => true,
                _ = ticks.tick() => false,
                changed = gather(&mut changes, self.config.shared) => {
                    warn(self.record(self.leases(changed)).await);
                    continue;
                }
            };
            let now = self.core.clock.now();
            let done = self.round(written).await;
            if done.is_ok() {
                written = now;
            }
            warn(done);
            if last {
                return;
            }
        }
    }

    /// The records of these instances. An instance that is up on the evidence of another collector is reported by that one.
    fn leases(&self, instances: BTreeSet<InstanceId>) -> Vec<LeaseRecord<InstanceId>> {
        let records = instances
            .into_iter()
            .filter_map(|instance| self.core.lessor.record(instance));
        records.collect()
    }

    async fn round(&self, since: Moment) -> Result<(), register::Error> {
        let limit = self.config.chunk.max(1);
        let mut cursor = None;
        let mut leases = Vec::new();
        loop {
            let positions = self.core.inventory.positions(cursor, limit);
            let is_last = positions.len() < limit;
            cursor = positions.last().copied();
            let instances = positions.into_iter().map(|position| position.instance);
            self.core
                .lessor
                .changed_since(since, instances, &mut leases);
            // Sorted in the order of the store, so that neighbours share pages.
            leases.sort_unstable_by_key(|lease| lease.key);
            self.record(std::mem::take(&mut leases)).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn record(&self, leases: Vec<LeaseRecord<InstanceId>>) -> Result<(), register::Error> {
        for leases in leases.chunks(self.config.chunk) {
            let seen = leases
                .iter()
                .map(|lease| self.core.last_seen(lease, self.config.shared));
            self.register.record_seen(seen.collect()).await?;
        }
        Ok(())
    }
}

/// The instances that changed state within [`GATHER`] of the first change. If no other collector reads the store, only those
/// that left, because an agent announces its stop only once. The next round writes changes that are missed because the feed
/// overflowed.
async fn gather(changes: &mut Receiver<InstanceEvent>, shared: bool) -> BTreeSet<InstanceId> {
    let mut changed = BTreeSet::new();
    while changed.is_empty() {
        match changes.recv().await {
            Ok(event) => changed.extend(change(&event, shared)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return pending().await,
        }
    }
    sleep(GATHER).await;
    while let Ok(event) = changes.try_recv() {
        changed.extend(change(&event, shared));
    }
    changed
}

fn change(event: &InstanceEvent, shared: bool) -> Option<InstanceId> {
    let InstanceKind::Changed(Changed { to, .. }) = event.kind else {
        return None;
    };
    (shared || to == State::Left).then_some(event.instance)
}

fn warn(written: Result<(), register::Error>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not write back when instances were last seen");
    }
}
