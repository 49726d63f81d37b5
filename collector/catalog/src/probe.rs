//! Probes of persistent instances, the only way to detect that one is down.
//!
//! An instance becomes healthy after [`crate::Switches::check_times`] successes in a row, and unhealthy after as many failures,
//! or after one clear failure: the address refuses connections, or another program answers there. The interval between two
//! probes follows the duration of a probe.
//!
//! A client that registers an instance chooses the address that the collector connects to. The collector therefore probes only
//! the ranges that the operator allows ([`crate::Config::probe_ranges`]), a bounded number at a time, and never shows the
//! answers.

mod attempt;
mod pace;
mod ranges;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Checker, Cluster, InstanceRef, Kind},
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use attempt::{Outcome, attempt};
use pace::Pace;
pub use ranges::{BadRange, Range};

/// Interval of the checks for due probes.
const TICK: Duration = Duration::from_millis(250);
/// The delay of the first probe of an instance, which may still start. A part of [`SPREAD`] is added.
const FIRST: u64 = 2_000;
const SPREAD: u32 = 3_000;
/// When an instance without a probe is checked again: its cluster may have a checker by then.
const IDLE: Duration = Duration::from_secs(5);

/// The schedule of the probes, and their results so far.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    state: Mutex<State>,
    succeeded: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    paces: HashMap<InstanceRef, Pace>,
    due: BTreeSet<(Moment, InstanceRef)>,
}

/// Totals of the probes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCounts {
    /// Instances that are probed or wait for it.
    pub instances: usize,
    pub succeeded: u64,
    pub failed: u64,
    /// Probes that were not made because their address is not in an allowed range.
    pub refused: u64,
}

/// The target of a probe.
#[derive(Clone, Debug)]
struct Target {
    ip: Arc<str>,
    port: u16,
    checker: Checker,
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
        }
    }

    /// Takes a due instance. It is due again only after [`Probes::again`].
    fn take(&self, now: Moment) -> Option<InstanceRef> {
        let mut state = self.state.lock();
        let (at, _) = *state.due.first()?;
        if at > now {
            return None;
        }
        state.due.pop_first().map(|(_, instance)| instance)
    }

    fn again(&self, instance: InstanceRef, at: Moment) {
        self.state.lock().due.insert((at, instance));
    }

    fn forget(&self, instance: InstanceRef) {
        self.state.lock().paces.remove(&instance);
    }

    /// Records an outcome. Returns the health of the instance, if it is decided, and the time of the next probe.
    fn record(
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

/// Probes until it is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    let room = Arc::new(Semaphore::new(shared.config.max_probes.max(1)));
    let mut under_way = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        while under_way.try_join_next().is_some() {}
        if !shared.switches().health_check_enabled {
            continue;
        }
        while let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
            let Some(instance) = shared.probes.take(shared.clock.now()) else {
                break;
            };
            let shared = Arc::clone(&shared);
            under_way.spawn(async move {
                probe(&shared, instance).await;
                drop(permit);
            });
        }
    }
}

async fn probe(shared: &Shared, instance: InstanceRef) {
    let Some(target) = target(shared, instance) else {
        shared.probes.forget(instance);
        return;
    };
    let addresses = match target.checker {
        Checker::None => None,
        _ => allowed(shared, &target).await,
    };
    let Some(address) = addresses else {
        shared
            .probes
            .again(instance, shared.clock.now().after(IDLE));
        return;
    };
    let before = Instant::now();
    let outcome = attempt(&target.checker, address, target.port).await;
    let outcome = outcome.after(before.elapsed());
    let times = shared.switches().check_times;
    let (healthy, wait) = shared
        .probes
        .record(instance, &target.checker, outcome, times);
    if let Some(healthy) = healthy {
        shared.change(|registry, _, effects| registry.set_health(instance, healthy, effects));
    }
    shared
        .probes
        .again(instance, shared.clock.now().after(wait));
}

/// The target for an instance; `None` if it was removed.
fn target(shared: &Shared, instance: InstanceRef) -> Option<Target> {
    let registry = shared.registry.read();
    let found = registry.instance(instance)?;
    if found.registered.kind != Kind::Persistent {
        return None;
    }
    let endpoint = found.registered.endpoint;
    let key = registry.service_of(instance)?;
    let cluster = registry
        .cluster(key, &endpoint.cluster)
        .unwrap_or_else(|| Cluster::new(Arc::clone(&endpoint.cluster)));
    Some(Target {
        port: if cluster.use_instance_port {
            endpoint.port
        } else {
            cluster.check_port
        },
        ip: endpoint.ip,
        checker: cluster.checker,
    })
}

/// The address to probe, if the operator allows it. All addresses of a name must be allowed: the next lookup may return another
/// one.
async fn allowed(shared: &Shared, target: &Target) -> Option<IpAddr> {
    let addresses: Vec<IpAddr> = match target.ip.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => {
            let bare = target.ip.trim_start_matches('[').trim_end_matches(']');
            let name = (bare, target.port);
            let looked_up = tokio::time::timeout(attempt::TIMEOUT, tokio::net::lookup_host(name));
            looked_up
                .await
                .ok()?
                .ok()?
                .map(|found| found.ip())
                .collect()
        }
    };
    let ranges = &shared.config.probe_ranges;
    let is_allowed = |address: &IpAddr| ranges.iter().any(|range| range.contains(*address));
    if addresses.is_empty() || !addresses.iter().all(is_allowed) {
        shared.probes.refused.fetch_add(1, Relaxed);
        tracing::debug!(ip = %target.ip, "catalog: an instance is not probed, its address is in no allowed range");
        return None;
    }
    addresses.first().copied()
}

#[cfg(test)]
mod tests;
