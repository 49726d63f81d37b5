//! Which members are in the cluster, and the end of those that have left.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use rollcall_domain::{
    Moment,
    catalog::EventKind,
    membership::{State, View},
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Members, apply};
use crate::shared::Shared;

/// The longest time between two looks at the members.
const TICK: Duration = Duration::from_millis(500);
/// Members that have left and are remembered, so that a late entry of theirs is not listed.
const REMEMBERED: usize = 1024;
/// How often instances that were left out are tried again.
const RETRY: Duration = Duration::from_secs(60);

/// The members that have published something and are not in the cluster.
#[derive(Debug, Default)]
struct Presence {
    absent: BTreeMap<Arc<str>, Moment>,
    gone: BTreeSet<Arc<str>>,
    /// The members whose entries are to be removed.
    unremoved: BTreeSet<Arc<str>>,
}

/// What changed since the last look.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// The members whose grace has ended.
    gone: Vec<Arc<str>>,
    /// Whether a member is back whose entries were ignored.
    is_back: bool,
}

impl Presence {
    /// Compares the members that publish with those in the cluster. An empty view is one that was not read yet.
    fn look<'a>(
        &mut self,
        view: &View,
        publishing: impl Iterator<Item = &'a Arc<str>>,
        grace: Duration,
        now: Moment,
    ) -> Seen {
        let mut seen = Seen::default();
        if view.members().is_empty() {
            return seen;
        }
        for name in publishing {
            if is_in(view, name) || self.gone.contains(name) {
                continue;
            }
            let since = *self.absent.entry(Arc::clone(name)).or_insert(now);
            if since.after(grace) <= now {
                self.absent.remove(name);
                self.gone.insert(Arc::clone(name));
                self.unremoved.insert(Arc::clone(name));
                seen.gone.push(Arc::clone(name));
            }
        }
        self.absent.retain(|name, _| !is_in(view, name));
        let gone = self.gone.len();
        self.gone.retain(|name| !is_in(view, name));
        seen.is_back = self.gone.len() < gone;
        self.unremoved.retain(|name| !is_in(view, name));
        for names in [&mut self.gone, &mut self.unremoved] {
            while names.len() > REMEMBERED {
                names.pop_first();
            }
        }
        seen
    }
}

fn is_in(view: &View, name: &str) -> bool {
    let mut members = view.members().iter();
    members.any(|member| *member.address == *name)
}

/// Follows the members until it is cancelled.
pub(super) async fn run(
    shared: &Shared,
    members: &Members,
    mut view: watch::Receiver<Arc<View>>,
    cancel: &CancellationToken,
) {
    let mut presence = Presence::default();
    let mut retried_at = shared.clock.now();
    loop {
        let present = Arc::clone(&view.borrow_and_update());
        let now = shared.clock.now();
        look(shared, members, &mut presence, &present, now).await;
        remove(members, &mut presence, &present).await;
        if members.counters.left_out.load(Relaxed) > 0 && retried_at.after(RETRY) <= now {
            retried_at = now;
            members.exchange.restart();
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            changed = view.changed() => {
                if changed.is_err() {
                    // The cluster has ended; the last members stay.
                    sleep(TICK).await;
                }
            }
            () = sleep(TICK) => {}
        }
    }
}

async fn look(
    shared: &Shared,
    members: &Members,
    presence: &mut Presence,
    view: &View,
    now: Moment,
) {
    let was_member = members.is_member.swap(is_in(view, &members.own), Release);
    if !was_member {
        members.unpublished.look_again();
    }
    let names: Vec<_> = members.names.lock().iter().cloned().collect();
    let others = names.iter().filter(|name| **name != members.own);
    if !shared.config.always_warm_up
        && members.is_read.load(Acquire)
        && serves_longer(shared, view, others.clone())
    {
        shared.readiness.ends_warm_up(now);
    }
    let seen = presence.look(view, others, shared.config.member_grace, now);
    let absent: HashSet<_> = presence.absent.keys().cloned().collect();
    if *members.absent.read() != absent {
        *members.absent.write() = absent;
    }
    let gone: HashSet<_> = presence.gone.iter().cloned().collect();
    if *members.gone.read() != gone {
        *members.gone.write() = gone;
    }
    if seen.is_back {
        members.exchange.restart();
    }
    if !seen.gone.is_empty() {
        for member in &seen.gone {
            tracing::info!(%member, "catalog: a collector has left, its Nacos instances that registered nowhere else are removed");
        }
        let is_gone = |member: &Arc<str>| seen.gone.contains(member);
        apply::retain(shared, |member, _| !is_gone(member), EventKind::MemberLeft).await;
        members.names.lock().retain(|name| !is_gone(name));
    }
}

/// Whether another member has served for at least the warm-up, so that clients without a collector have registered there.
fn serves_longer<'a>(
    shared: &Shared,
    view: &View,
    mut others: impl Iterator<Item = &'a Arc<str>>,
) -> bool {
    let before = shared.clock.wall().before(shared.config.warm_up);
    others.any(|name| {
        let mut members = view.members().iter();
        members.any(|it| *it.address == **name && it.state == State::Serving && it.since <= before)
    })
}

/// Whether this collector is the first one in the cluster that has published something. Others may have no catalog: upstream's
/// collectors, and those that serve no Nacos clients.
fn is_first(members: &Members, view: &View) -> bool {
    let names = members.names.lock();
    let mut publishing = view
        .members()
        .iter()
        .filter(|member| *member.address == *members.own || names.contains(&*member.address));
    publishing
        .next()
        .is_some_and(|first| *first.address == *members.own)
}

/// Removes the entries of members that are gone, if this member is the first one in the cluster.
async fn remove(members: &Members, presence: &mut Presence, view: &View) {
    let is_first = is_first(members, view);
    members.is_first.store(is_first, Relaxed);
    if !is_first {
        return;
    }
    for member in presence.unremoved.clone() {
        match members.exchange.remove(&member).await {
            Ok(()) => {
                presence.unremoved.remove(&member);
            }
            Err(error) => {
                tracing::debug!(%error, %member, "the entries of a collector that left could not be removed");
                return;
            }
        }
    }
}
