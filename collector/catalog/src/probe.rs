//! Probes persistent instances: only a probe can detect that such an instance is down.
//!
//! An instance becomes healthy after [`crate::Switches::check_times`] successes in a row, and unhealthy after as many failures,
//! or after one clear failure: the address refuses connections, or another program answers there. The interval between two
//! probes follows the duration of a probe.
//!
//! A client that registers an instance chooses the address that the collector connects to. The collector therefore probes only
//! the ranges that the operator allows ([`crate::Config::probe_ranges`]), a bounded number at a time, and never shows the
//! answers. The event about an unhealthy instance has the address, and which kind of failure it was.

mod attempt;
pub(crate) mod ledger;
mod lookup;
mod pace;
mod ranges;

use std::{net::IpAddr, sync::Arc, time::Duration};

use rollcall_domain::catalog::{Checker, Cluster, HealthBy, InstanceRef, Kind};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use attempt::attempt;
use ledger::IDLE;
pub use ledger::ProbeCounts;
use lookup::{Lookup, Pending};
pub use ranges::{BadRange, Range};

/// The most concurrent lookups of names. A lookup may take longer than its probe, and occupies a thread for blocking work
/// meanwhile.
const LOOKUPS: usize = 8;
/// Interval of the checks for due probes.
const TICK: Duration = Duration::from_millis(250);

/// The target of a probe.
#[derive(Clone, Debug)]
struct Target {
    ip: Arc<str>,
    port: u16,
    checker: Checker,
}

/// Probes until it is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    let room = Arc::new(Semaphore::new(shared.config.max_probes.max(1)));
    let lookups = Arc::new(Semaphore::new(LOOKUPS));
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
            let (shared, lookups) = (Arc::clone(&shared), Arc::clone(&lookups));
            under_way.spawn(async move {
                let late = probe(&shared, &lookups, instance).await;
                drop(permit);
                if let Some(late) = late {
                    again_after(&shared, instance, late).await;
                }
            });
        }
    }
}

/// Probes an instance once, and schedules its next probe. If the lookup of its name is late, returns the pending lookup instead,
/// and the caller schedules the next probe.
async fn probe(
    shared: &Shared,
    lookups: &Arc<Semaphore>,
    instance: InstanceRef,
) -> Option<Pending> {
    let Some(target) = target(shared, instance) else {
        shared.probes.forget(instance);
        return None;
    };
    let address = match target.checker {
        Checker::None => None,
        _ => match addresses(lookups, &target).await {
            Lookup::Found(addresses) => allowed(shared, &target, &addresses),
            Lookup::Nothing(late) => return unresolved(shared, instance, &target, late),
        },
    };
    let Some(address) = address else {
        again_later(shared, instance);
        return None;
    };
    let before = Instant::now();
    let (outcome, finding) = attempt(&target.checker, address, target.port).await;
    let outcome = outcome.after(before.elapsed());
    let times = shared.switches().check_times;
    let (healthy, wait) = shared
        .probes
        .record(instance, &target.checker, outcome, times);
    if let Some(healthy) = healthy {
        let failure = (!healthy).then(|| {
            let tried = attempt::description(&target.checker, address, target.port);
            format!("{tried}: {finding}").into()
        });
        shared.change_by_probe(failure, |registry, _, effects| {
            registry.set_health(instance, healthy, HealthBy::Probe, effects)
        });
    }
    shared
        .probes
        .again(instance, shared.clock.now().after(wait));
    None
}

/// Counts a probe that was skipped because its name was not resolved.
fn unresolved(
    shared: &Shared,
    instance: InstanceRef,
    target: &Target,
    late: Option<Pending>,
) -> Option<Pending> {
    shared.probes.skip();
    tracing::debug!(ip = %target.ip, "catalog: an instance is not probed, its name was not resolved in time");
    if late.is_none() {
        again_later(shared, instance);
    }
    late
}

/// Schedules the next probe of an instance after its late lookup has returned. So an instance has at most one lookup, and holds at
/// most one permit.
async fn again_after(shared: &Shared, instance: InstanceRef, late: Pending) {
    late.returned().await;
    again_later(shared, instance);
}

fn again_later(shared: &Shared, instance: InstanceRef) {
    let at = shared.clock.now().after(IDLE);
    shared.probes.again(instance, at);
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

/// The addresses of a target.
async fn addresses(lookups: &Arc<Semaphore>, target: &Target) -> Lookup {
    if let Ok(address) = target.ip.parse::<IpAddr>() {
        return Lookup::Found(vec![address]);
    }
    let bare = target.ip.trim_start_matches('[').trim_end_matches(']');
    let (name, port) = (bare.to_owned(), target.port);
    let lookup = async move {
        let found = tokio::net::lookup_host((name, port)).await;
        found.map(|found| found.map(|found| found.ip()).collect())
    };
    lookup::start(lookups, lookup, attempt::TIMEOUT).await
}

/// The address to probe, if the operator allows it. All addresses of a name must be allowed: the next lookup may return another
/// one.
fn allowed(shared: &Shared, target: &Target, addresses: &[IpAddr]) -> Option<IpAddr> {
    let ranges = &shared.config.probe_ranges;
    let is_allowed = |address: &IpAddr| ranges.iter().any(|range| range.contains(*address));
    if addresses.is_empty() || !addresses.iter().all(is_allowed) {
        shared.probes.refuse();
        tracing::debug!(ip = %target.ip, "catalog: an instance is not probed, its address is in no allowed range");
        return None;
    }
    addresses.first().copied()
}

#[cfg(test)]
mod tests;
