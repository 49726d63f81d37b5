//! Publishes the claims of this collector.

use std::{
    sync::atomic::Ordering::{Acquire, Relaxed},
    time::Duration,
};

use rollcall_domain::catalog::Place;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Members, PAUSE, entries};
use crate::{
    shared::Shared,
    store::{self, EntryChange},
};

/// The time between two batches while claims change.
const WINDOW: Duration = Duration::from_millis(50);
/// Claims in one batch: one transaction, unless they are large.
const BATCH: usize = 100;
/// The largest value; etcd accepts 1.5 MiB.
const LARGEST: usize = 1024 * 1024;
/// The most time for the last batches of a run.
const LAST: Duration = Duration::from_secs(2);

/// Publishes until it is cancelled, and then what is left.
pub(super) async fn run(shared: &Shared, members: &Members, cancel: &CancellationToken) {
    let mut is_failing = false;
    loop {
        let is_last = tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            () = due(shared, members) => false,
        };
        if is_last {
            if timeout(LAST, publish(shared, members)).await.is_err() {
                tracing::debug!("the last changes of Nacos instances were not published");
            }
            return;
        }
        let pause = match publish(shared, members).await {
            Ok(()) => {
                if is_failing {
                    tracing::info!("catalog: changes of Nacos instances are published again");
                }
                is_failing = false;
                WINDOW
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "catalog: changes of Nacos instances could not be published, retrying");
                }
                is_failing = true;
                PAUSE
            }
        };
        cancel.run_until_cancelled(sleep(pause)).await;
    }
}

/// Completes when something is to be published.
async fn due(shared: &Shared, members: &Members) {
    loop {
        let (changed, added) = (members.unpublished.added(), members.relays.added());
        if members.is_member.load(Acquire) && members.unpublished.len() > 0 {
            return;
        }
        let wait = members.relays.due_in(shared.clock.now());
        let timer = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = added => {}
            () = timer => return,
        }
    }
}

async fn publish(shared: &Shared, members: &Members) -> Result<(), store::Error> {
    // What changes during a write waits for the next window, so that changes are gathered and the pause is never left out.
    let batches = members.unpublished.len().div_ceil(BATCH).max(1);
    for _ in 0..batches {
        let beats = members.relays.take(shared.clock.now());
        if !members.is_member.load(Acquire) {
            return Ok(());
        }
        let mut entries = entries::write_beats(beats);
        let places = members.unpublished.take(BATCH);
        entries.extend(places.iter().map(|place| entry(shared, members, place)));
        if entries.is_empty() {
            break;
        }
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if let Err(error) = members.exchange.publish(&entries).await {
            members.counters.failed.fetch_add(1, Relaxed);
            // The beats are dropped: they would be old when they arrive.
            members.unpublished.put_back(places);
            return Err(error);
        }
        members.counters.published.fetch_add(count, Relaxed);
    }
    if members.unpublished.must_compare() {
        members.exchange.restart();
    }
    Ok(())
}

/// The entry that publishes the present claim on an instance; a claim that is too large is published as none.
fn entry(shared: &Shared, members: &Members, place: &Place) -> EntryChange {
    let claim = shared.registry.read().own_claim(place);
    let mut value = claim.as_ref().and_then(entries::write);
    if value.as_ref().is_some_and(|value| value.len() > LARGEST) {
        members.counters.failed.fetch_add(1, Relaxed);
        tracing::warn!(
            service = %place.0, ip = &*place.1.ip, port = place.1.port,
            "catalog: the metadata of an instance is too large for the other collectors, which do not list it"
        );
        value = None;
    }
    (entries::instance_key(place), value)
}
