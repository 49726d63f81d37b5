//! Applies what the other members publish.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, Release},
    },
};

use rollcall_domain::catalog::{
    Claim, Effects, EventKind, HealthBy, Kind, Place, Publisher, Registry,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Members, PAUSE,
    entries::{self, Key},
};
use crate::{
    roster,
    shared::Shared,
    store::{News, PublishedEntry as Entry},
};

/// Entries that are applied under one lock.
const CHUNK: usize = 256;

/// The members whose unreadable entries were reported.
type Reported = BTreeSet<String>;

/// Applies until it is cancelled.
pub(super) async fn run(shared: &Shared, members: &Members, cancel: &CancellationToken) {
    let mut is_failing = false;
    let mut reported = Reported::new();
    loop {
        let Some(news) = cancel.run_until_cancelled(members.exchange.next()).await else {
            return;
        };
        let now = shared.clock.now();
        if let Ok(News::All(_) | News::Changes(_)) = news {
            if is_failing {
                tracing::info!("catalog: the Nacos instances of other collectors are read again");
            }
            is_failing = false;
            members.roaming.follows(now);
        }
        match news {
            Ok(News::All(entries)) => read_all(shared, members, entries, &mut reported).await,
            Ok(News::Changes(entries)) => {
                apply_entries(shared, members, entries, &mut reported, true).await;
            }
            Ok(News::Interrupted) => {
                members.roaming.is_interrupted(now);
                cancel.run_until_cancelled(sleep(PAUSE)).await;
            }
            Err(error) => {
                members.roaming.is_interrupted(now);
                if !is_failing {
                    tracing::warn!(%error, "catalog: the Nacos instances of other collectors cannot be read, the last known ones stay listed");
                }
                is_failing = true;
                cancel.run_until_cancelled(sleep(PAUSE)).await;
            }
        }
    }
}

/// Applies entries in order. `are_new`: they were written just now, so that beats among them are evidence. Returns the number of
/// instances for which there was no room.
async fn apply_entries(
    shared: &Shared,
    members: &Members,
    entries: Vec<Entry>,
    reported: &mut Reported,
    are_new: bool,
) -> usize {
    let mut left_out = 0;
    for part in entries.chunks(CHUNK) {
        record_names(members, part);
        let mut removed = Vec::new();
        let claims = shared.change(|registry, now, effects| {
            for entry in part {
                let is_own = entry.member == *members.own;
                match (entries::key(&entry.key), &entry.value) {
                    (Some(Key::Instance(place)), None) if is_own => removed.push(place),
                    (Some(Key::Instance(place)), _) if !is_own => {
                        let Some((member, claim)) = read_claim(members, &place, entry, reported)
                        else {
                            continue;
                        };
                        let applied = registry.apply_claim(&member, &place, claim, now, effects);
                        if let Err(error) = applied {
                            left_out += 1;
                            tracing::debug!(%error, service = %place.0, "an instance of another collector is left out");
                        }
                    }
                    (Some(Key::Beats), Some(value)) if are_new && !is_own => {
                        match entries::read_beats(value) {
                            Some(places) => renew(shared, members, registry, &places, effects),
                            None => report_unreadable(members, entry, reported),
                        }
                    }
                    _ => {}
                }
            }
            // Another member considered this collector gone, and removed its entries.
            removed.retain(|place| registry.own_claim(place).is_some());
            registry.claims()
        });
        members.publish(removed, claims);
        tokio::task::yield_now().await;
    }
    if are_new {
        members.leave_out(left_out);
    }
    left_out
}

/// The member and the claim of an entry; `None` if the entry is to be skipped.
fn read_claim(
    members: &Members,
    place: &Place,
    entry: &Entry,
    reported: &mut Reported,
) -> Option<(Arc<str>, Option<Claim>)> {
    let claim = match &entry.value {
        Some(value) => {
            let claim = entries::read(place, value);
            if claim.is_none() {
                report_unreadable(members, entry, reported);
                return None;
            }
            claim
        }
        None => None,
    };
    let member: Arc<str> = entry.member.as_str().into();
    let is_gone = members.gone.read().contains(&member);
    (!is_gone).then_some((member, claim))
}

fn record_names(members: &Members, entries: &[Entry]) {
    let mut names = members.names.lock();
    for entry in entries {
        if entry.value.is_some() && !names.contains(entry.member.as_str()) {
            names.insert(entry.member.as_str().into());
        }
    }
}

fn report_unreadable(members: &Members, entry: &Entry, reported: &mut Reported) {
    members.counters.unreadable.fetch_add(1, Relaxed);
    if reported.insert(entry.member.clone()) {
        tracing::warn!(
            member = entry.member,
            key = entry.key,
            "catalog: an entry of another collector is unreadable and skipped; later ones are only counted"
        );
    }
}

/// Renews the leases of instances whose beats another member received.
fn renew(
    shared: &Shared,
    members: &Members,
    registry: &mut Registry,
    places: &[Place],
    effects: &mut Effects,
) {
    let now = shared.clock.now();
    for (service, endpoint) in places {
        let Some(target) = registry.beat_target(service, endpoint) else {
            continue;
        };
        if !target.is_leased {
            continue;
        }
        members.roaming.add(target.instance, now);
        if target.is_restored {
            shared.leases.grant(target.instance, target.beats, now);
            registry.claim(target.instance, effects);
        } else {
            shared.leases.renew(target.instance, now);
        }
        registry.set_health(target.instance, true, HealthBy::Beat, effects);
    }
}

/// Compares all entries with what this collector knows, and repairs both.
async fn read_all(
    shared: &Shared,
    members: &Members,
    entries: Vec<Entry>,
    reported: &mut Reported,
) {
    let is_first = !members.is_read.load(Relaxed);
    let (own, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.member == *members.own);
    let own: BTreeMap<Place, Vec<u8>> = own
        .into_iter()
        .filter_map(|entry| match entries::key(&entry.key)? {
            Key::Instance(place) => Some((place, entry.value?)),
            Key::Beats => None,
        })
        .collect();
    if is_first {
        restore(shared, &own).await;
    }
    let listed: HashSet<(String, Place)> = others
        .iter()
        .filter_map(|entry| match entries::key(&entry.key)? {
            Key::Instance(place) => Some((entry.member.clone(), place)),
            Key::Beats => None,
        })
        .collect();
    let left_out = apply_entries(shared, members, others, reported, false).await;
    members.set_left_out(left_out);
    retain(
        shared,
        |member, place| listed.contains(&(member.to_string(), place.clone())),
        EventKind::MemberRemoved,
    )
    .await;
    repair(shared, members, own).await;
    if is_first {
        // In this order: once the members are read, a look at them may end the warm-up, which must have begun.
        shared.readiness.members_are_read(shared.clock.now());
        members.is_read.store(true, Release);
    }
}

/// Takes over the claims of an earlier run of this collector: its instances stay listed until their clients return, or for a term.
async fn restore(shared: &Shared, own: &BTreeMap<Place, Vec<u8>>) {
    let rows: Vec<_> = own.iter().collect();
    let mut restored = 0;
    for part in rows.chunks(CHUNK) {
        shared.change(|registry, now, effects| {
            for (place, value) in part {
                let Some(claim) = entries::read(place, value) else {
                    continue;
                };
                if let Err(error) = registry.restore_claim(place, claim, now, effects) {
                    tracing::warn!(%error, service = %place.0, "catalog: an instance of the last run is skipped");
                    continue;
                }
                effects.granted.clear();
                let found = registry.lookup(&place.0, &place.1, Some(Kind::Ephemeral));
                if let Ok(found) = found
                    && found.publisher == Publisher::Restored
                {
                    let beats = found.registered.metadata.beats();
                    roster::lease(shared, found.reference, beats);
                    restored += 1;
                }
            }
        });
        tokio::task::yield_now().await;
    }
    if restored > 0 {
        tracing::info!(
            restored,
            "catalog: instances of the last run are listed until their clients return"
        );
    }
}

/// Ends the claims of other members that `keep` rejects.
pub(super) async fn retain(
    shared: &Shared,
    keep: impl Fn(&Arc<str>, &Place) -> bool,
    what: EventKind,
) {
    let mut after = None;
    loop {
        after = shared.change(|registry, now, effects| {
            registry.retain_claims(after.as_ref(), what, &keep, now, effects)
        });
        if after.is_none() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Publishes the claims of this collector that the exchange does not have as they are, and removes its other entries.
async fn repair(shared: &Shared, members: &Members, mut own: BTreeMap<Place, Vec<u8>>) {
    let mut after = None;
    loop {
        let (differing, last, claims) = {
            let registry = shared.registry.read();
            let (places, last) = registry.own_claims(after.as_ref());
            let differing = places.into_iter().filter(|place| {
                let claim = registry.own_claim(place);
                let published = own.remove(place);
                published.is_none() || claim.as_ref().and_then(entries::write) != published
            });
            (differing.collect::<Vec<_>>(), last, registry.claims())
        };
        members.publish(differing, claims);
        if last.is_none() {
            break;
        }
        after = last;
        tokio::task::yield_now().await;
    }
    let claims = shared.registry.read().claims();
    members.publish(own.into_keys(), claims);
}
