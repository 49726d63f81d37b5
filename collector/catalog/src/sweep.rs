//! Ends expired items: leases, empty services, overrides, and subscribers that no longer renew their subscriptions.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rollcall_domain::{
    Moment,
    catalog::{Effects, EventKind, HealthBy, InstanceRef, Registry},
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{leases::Verdict, members::state::Members, shared::Shared};

pub(crate) mod rows;

/// Interval of the sweeps.
const TICK: Duration = Duration::from_millis(500);
/// Interval of the sweeps of subscribers.
const SUBSCRIBERS: Duration = Duration::from_secs(10);
/// Leases that are judged under one lock.
const CHUNK: usize = 256;

/// Sweeps until it is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if shared.readiness.turns_complete(shared.clock.now()) {
            shared.schedule_all();
        }
        judge(&shared).await;
        end(&shared).await;
    }
}

/// Judges the leases that are due.
async fn judge(shared: &Shared) {
    if !shared.switches().health_check_enabled || shared.readiness.is_draining() {
        shared.leases.resume(shared.clock.now());
        return;
    }
    loop {
        let (verdicts, more) = shared.leases.judge(shared.clock.now(), CHUNK);
        if !verdicts.is_empty() {
            shared.change(|registry, now, effects| {
                for (slot, verdict) in verdicts {
                    if let Some(instance) = registry.in_slot(slot) {
                        apply(shared, registry, (instance, verdict), now, effects);
                    }
                }
            });
        }
        if !more {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Applies a verdict, unless a beat has arrived meanwhile.
fn apply(
    shared: &Shared,
    registry: &mut Registry,
    (instance, verdict): (InstanceRef, Verdict),
    now: Moment,
    effects: &mut Effects,
) {
    let members = shared.members.as_ref();
    if members.is_some_and(|members| members.defers(instance, now)) {
        if let Some(beats) = registry.leased(instance) {
            shared.leases.grant(instance, beats, now);
        }
        return;
    }
    match verdict {
        Verdict::Unhealthy if shared.leases.is_silent(instance) => {
            registry.set_health(instance, false, HealthBy::Beat, effects);
        }
        Verdict::Expired if shared.leases.remove_expired(instance) => {
            registry.remove(instance, EventKind::Expired, now, effects);
        }
        Verdict::Unhealthy | Verdict::Expired => {}
    }
}

async fn end(shared: &Shared) {
    let empty_after = shared.config.empty_service_after;
    let members = shared.members.as_ref();
    let swept = shared.change(|registry, now, effects| {
        registry.keep_overrides(members.is_some_and(|members| !members.lists_all(now)));
        registry.sweep(now, empty_after, effects)
    });
    // Every member that lists all instances has ended them now; one removes their rows.
    let removes_rows = members.is_none_or(Members::is_first);
    if removes_rows && !swept.overrides.is_empty() {
        shared.ended.add(swept.overrides);
    }
    let now = shared.clock.now();
    let last = shared.swept_at.load(Relaxed);
    if now.millis() - last >= i64::try_from(SUBSCRIBERS.as_millis()).unwrap_or(i64::MAX) {
        shared.swept_at.store(now.millis(), Relaxed);
        end_subscribers(shared).await;
    }
}

/// Ends the subscriptions that subscribers without a connection have not renewed for a term. Works in parts, between which other
/// calls can run.
async fn end_subscribers(shared: &Shared) {
    let since = shared.clock.now().before(shared.config.subscriber_term);
    let mut after = None;
    loop {
        let (last, ended) = {
            let subscriptions = shared.subscriptions.read();
            let part = subscriptions.renewed(after.as_ref()).take(CHUNK);
            let mut last = None;
            let mut ended = Vec::new();
            for subscriber in part {
                let held = subscriptions.keys_of(subscriber);
                ended.extend(held.filter(|(service, key)| {
                    let subscription = subscriptions.get(service, key);
                    subscription.is_some_and(|one| one.renewed_at() < since)
                }));
                last = Some(subscriber.clone());
            }
            (last, ended)
        };
        if !ended.is_empty() {
            let mut subscriptions = shared.subscriptions.write();
            for (service, key) in ended {
                let subscription = subscriptions.get(&service, &key);
                if subscription.is_some_and(|one| one.renewed_at() < since)
                    && let Some(subscription) = subscriptions.remove(&service, &key)
                {
                    subscription.end();
                }
            }
        }
        if last.is_none() {
            return;
        }
        after = last;
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests;
