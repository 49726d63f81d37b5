//! Publishes the claims of this collector.

use std::{
    mem::discriminant,
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
    let mut failing: Option<store::Error> = None;
    loop {
        let is_last = tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            () = due(shared, members) => false,
        };
        if is_last {
            let published = timeout(LAST, publish(shared, members)).await;
            if !matches!(published, Ok(Ok(_))) {
                tracing::debug!("the last changes of Nacos instances were not published");
            }
            return;
        }
        let pause = match publish(shared, members).await {
            Ok(has_written) => {
                let lacks_space = matches!(failing, Some(store::Error::NoSpace(_)));
                if failing.is_some() && (has_written || !lacks_space) {
                    failing = None;
                    tracing::info!("catalog: changes of Nacos instances are published again");
                }
                WINDOW
            }
            Err(error) => {
                let kind = discriminant(&error);
                if failing.as_ref().map(discriminant) != Some(kind) {
                    tracing::warn!(%error, "catalog: changes of Nacos instances could not be published, retrying");
                }
                failing = Some(error);
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

/// Returns whether entries were written, and not only removed.
async fn publish(shared: &Shared, members: &Members) -> Result<bool, store::Error> {
    let mut has_written = false;
    // What changes during a write waits for the next window, so that changes are gathered and the pause is never left out.
    let batches = members.unpublished.len().div_ceil(BATCH).max(1);
    for _ in 0..batches {
        let beats = members.relays.take(shared.clock.now());
        if !members.is_member.load(Acquire) {
            return Ok(has_written);
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
            if matches!(error, store::Error::NoSpace(_)) {
                members.roaming.is_refused(shared.clock.now());
                publish_ends(shared, members).await?;
            }
            return Err(error);
        }
        members.counters.published.fetch_add(count, Relaxed);
        has_written |= entries.iter().any(|(_, value)| value.is_some());
    }
    if members.unpublished.must_compare() {
        members.exchange.restart();
    }
    Ok(has_written)
}

/// Removes the entries of the claims that have ended. An exchange without space accepts removals, and refuses them together with
/// other changes.
async fn publish_ends(shared: &Shared, members: &Members) -> Result<(), store::Error> {
    let mut after = None;
    loop {
        let ended = {
            let registry = shared.registry.read();
            let has_ended = |place: &Place| !registry.has_own_claim(place);
            members.unpublished.take_next(&mut after, BATCH, has_ended)
        };
        let Some(ended) = ended else {
            return Ok(());
        };
        if ended.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        let removals = ended
            .iter()
            .map(|place| (entries::instance_key(place), None));
        let removals: Vec<_> = removals.collect();
        let count = u64::try_from(removals.len()).unwrap_or(u64::MAX);
        if let Err(error) = members.exchange.publish(&removals).await {
            members.counters.failed.fetch_add(1, Relaxed);
            members.unpublished.put_back(ended);
            return Err(error);
        }
        members.counters.published.fetch_add(count, Relaxed);
    }
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
