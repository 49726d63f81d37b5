//! Ends what has expired: leases, empty services, overrides, subscribers that no longer renew.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rollcall_domain::{
    Moment,
    catalog::{Effects, EventKind, HealthBy, InstanceRef, Registry, Subscriber, SubscriptionKey},
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    leases::Verdict,
    rows,
    shared::{Plan, Shared},
    store::Table,
};

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
            let services: Vec<_> = shared.subscriptions.read().services().cloned().collect();
            for service in services {
                shared.schedule.changed(&service, shared.clock.now());
            }
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
    let swept = shared.change(|registry, now, effects| registry.sweep(now, empty_after, effects));
    if !swept.overrides.is_empty() {
        let rows = swept.overrides.iter().map(|(key, endpoint)| {
            rows::remove(Table::Override, rows::instance_text(key, endpoint))
        });
        let rows: Vec<_> = rows.collect();
        let removed = shared
            .durably("sweep".to_owned(), move |_| Ok(Plan::new(rows, |_| Ok(()))))
            .await;
        if let Err(error) = removed {
            tracing::warn!(%error, "catalog: ended overrides stay in the store until the next start");
        }
    }
    let now = shared.clock.now();
    let last = shared.swept_at.load(Relaxed);
    if now.millis() - last >= i64::try_from(SUBSCRIBERS.as_millis()).unwrap_or(i64::MAX) {
        shared.swept_at.store(now.millis(), Relaxed);
        end_subscribers(shared);
    }
}

/// Ends the subscriptions of subscribers without a connection that have not renewed them for a term.
fn end_subscribers(shared: &Shared) {
    let since = shared.clock.now().before(shared.config.subscriber_term);
    let mut subscriptions = shared.subscriptions.write();
    let services: Vec<_> = subscriptions.services().cloned().collect();
    for service in services {
        let ended: Vec<SubscriptionKey> = subscriptions
            .of_service(&service, None)
            .filter(|(key, subscription)| {
                !matches!(key.subscriber, Subscriber::Connection(_))
                    && subscription.renewed_at() < since
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            if let Some(subscription) = subscriptions.remove(&service, &key) {
                subscription.end();
            }
        }
    }
}
