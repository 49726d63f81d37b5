//! The claims of collectors that share their lists: which of them has an ephemeral instance, and since when.
//!
//! A member claims the instances whose connection it holds or whose beats it judges. Every member knows the claims of all, and shows
//! the latest: claims are ordered by [`Stamp`], then by the member's name, so all members show the same. A stamp is the wall time,
//! or one more than the latest stamp that the member has read, whichever is later. So the order of two claims depends on the clocks
//! only if neither member knew of the other's claim.
//!
//! A claim that was replaced by a member that knew it ([`Claim::replaces`]) ends, and so does one that clients keep by beats, because
//! their beats reach the new owner too. A connection's claim stays otherwise, and is shown again if the later one ends: its client
//! would not register again. A deregistration is a claim, too: it hides every earlier one.

mod entry;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{ConnectionId, Endpoint, Registration, ServiceKey, cost};
use crate::{Moment, Timestamp};

/// The place of an instance: its service and its endpoint.
pub type Place = (ServiceKey, Endpoint);

/// When an instance was registered or deregistered, in the order of all members: microseconds since 1970, or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

/// Members, and the claim that each of them had made.
pub type Replaced = Vec<(Arc<str>, Stamp)>;

/// What a member publishes about an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// When it was made.
    pub at: Stamp,
    /// The claims of other members that its member knew: this one replaces them.
    pub replaces: Replaced,
    /// The claimed state.
    pub state: ClaimState,
}

/// The claimed state of an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimState {
    /// The instance is registered at the member.
    Registered {
        /// Its values, and the health that the member found.
        registration: Registration,
        /// Whether beats keep it alive, to whichever member they are sent.
        needs_beats: bool,
    },
    /// A client or an operator deregistered it at the member.
    Deregistered {
        /// How long beats do not bring it back. Zero: it ended at a member that had replaced the claims of others.
        term: Duration,
    },
}

/// The order of claims: an end comes after a registration of the same stamp.
type Rank<'a> = (Stamp, bool, &'a str);

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The name of this collector. `None`: it shares its lists with no other collector, and there are no claims.
    own: Option<Arc<str>>,
    /// The wall time at moment 0.
    epoch_millis: i64,
    /// The latest stamp of all claims so far, of every member.
    last: Stamp,
    by_place: BTreeMap<Place, Entry>,
    /// The number of claims of each other member.
    members: BTreeMap<Arc<str>, usize>,
    /// The bytes of the registrations that are [`OwnState::Kept`].
    kept_bytes: usize,
    /// The places of the claims that are [`OwnState::Kept`].
    kept: BTreeMap<ConnectionId, BTreeSet<Place>>,
    /// The places of own deregistrations, by the time at which they may be forgotten.
    removals: BTreeSet<(Moment, Place)>,
    /// The places of own deregistrations of instances that no known member had.
    unknown: BTreeSet<Place>,
}

/// The claims on one instance.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) own: Option<Own>,
    others: Vec<(Arc<str>, Claim)>,
}

/// The claim of this collector.
#[derive(Debug)]
pub(super) struct Own {
    /// When it was registered last.
    pub(super) at: Stamp,
    pub(super) replaces: Replaced,
    pub(super) state: OwnState,
}

/// The state of this collector's claim.
#[derive(Debug)]
pub(super) enum OwnState {
    /// The registry has the instance, with a publisher of this collector.
    Held,
    /// Like [`OwnState::Held`]: an earlier run has published the instance, whose connection kept it alive without beats.
    Restored,
    /// This connection still has the instance, but a later claim is shown.
    Kept(ConnectionId, Box<Registration>),
    /// It was deregistered here: how long beats do not bring it back, and when the claim may be forgotten.
    Deregistered(Duration, Moment),
}

/// The claim that is shown.
#[derive(Debug)]
pub(super) enum Winner<'a> {
    Own(&'a OwnState),
    Other(&'a Arc<str>, &'a Claim),
}

impl Stamp {
    /// The stamp with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Claims {
    /// Begins to share, under this name. `epoch` is the wall time at moment 0.
    pub(super) fn share_as(&mut self, own: Arc<str>, epoch: Timestamp) {
        self.own = Some(own);
        self.epoch_millis = epoch.millis();
    }

    /// Records that this collector's present claim deregisters an instance that no known member had.
    pub(super) fn record_unknown(&mut self, place: &Place) {
        self.unknown.insert(place.clone());
    }

    /// Makes a claim of this collector that is later than all known ones.
    pub(super) fn make(&mut self, place: &Place, state: OwnState, now: Moment) {
        let others = self.at(place).map(|entry| &entry.others);
        let others = others.into_iter().flatten();
        let replaces = others.map(|(member, claim)| (Arc::clone(member), claim.at));
        let replaces = replaces.collect();
        let wall = self.epoch_millis.saturating_add(now.millis());
        let wall = u64::try_from(wall).unwrap_or(0).saturating_mul(1000);
        let at = Stamp(wall).max(self.last.next());
        self.last = at;
        self.set_own(
            place,
            Some(Own {
                at,
                replaces,
                state,
            }),
        );
    }

    /// Replaces or ends the claim of this collector.
    pub(super) fn set_own(&mut self, place: &Place, own: Option<Own>) {
        if let Some(mine) = &own {
            self.last = self.last.max(mine.at);
            match &mine.state {
                OwnState::Held | OwnState::Restored => {}
                OwnState::Kept(connection, registration) => {
                    self.kept_bytes += cost::registration(registration);
                    let kept = self.kept.entry(*connection).or_default();
                    kept.insert(place.clone());
                }
                OwnState::Deregistered(_, until) => {
                    self.removals.insert((*until, place.clone()));
                }
            }
        }
        let is_new = own.is_some();
        let before = match self.by_place.get_mut(place) {
            Some(entry) => std::mem::replace(&mut entry.own, own),
            None if is_new => {
                let entry = Entry {
                    own,
                    others: Vec::new(),
                };
                self.by_place.insert(place.clone(), entry);
                None
            }
            None => None,
        };
        if let Some(before) = before {
            self.forget_state(place, &before.state);
        }
        self.remove_if_empty(place);
    }

    /// Removes what the indexes have of an earlier state, unless the present claim has it too.
    fn forget_state(&mut self, place: &Place, before: &OwnState) {
        if let OwnState::Kept(_, registration) = before {
            self.kept_bytes -= cost::registration(registration);
        }
        let now = self
            .by_place
            .get(place)
            .and_then(|entry| entry.own.as_ref());
        match (before, now.map(|own| &own.state)) {
            (OwnState::Kept(before, _), Some(OwnState::Kept(now, _))) if before == now => {}
            (OwnState::Kept(connection, _), _) => {
                if let Some(kept) = self.kept.get_mut(connection) {
                    kept.remove(place);
                    if kept.is_empty() {
                        self.kept.remove(connection);
                    }
                }
            }
            (OwnState::Deregistered(_, before), Some(OwnState::Deregistered(_, now)))
                if before == now => {}
            (OwnState::Deregistered(_, until), _) => {
                self.removals.remove(&(*until, place.clone()));
                self.unknown.remove(place);
            }
            (OwnState::Held | OwnState::Restored, _) => {}
        }
    }

    /// Records the claim of another member. Returns `false` if it is known.
    pub(super) fn set_other(
        &mut self,
        member: &Arc<str>,
        place: &Place,
        claim: Option<Claim>,
    ) -> bool {
        if let Some(claim) = &claim {
            self.last = self.last.max(claim.at);
        }
        let found = self.by_place.get_mut(place);
        let known = found.and_then(|entry| {
            let others = &mut entry.others;
            let index = others.iter().position(|(name, _)| name == member)?;
            Some((others, index))
        });
        match (known, claim) {
            (Some((others, index)), Some(claim)) => {
                let Some((_, before)) = others.get_mut(index) else {
                    return false;
                };
                if *before == claim {
                    return false;
                }
                *before = claim;
            }
            (Some((others, index)), None) => {
                others.swap_remove(index);
                if let Some(count) = self.members.get_mut(member) {
                    *count -= 1;
                    if *count == 0 {
                        self.members.remove(member);
                    }
                }
                self.remove_if_empty(place);
            }
            (None, Some(claim)) => {
                let entry = self.by_place.entry(place.clone()).or_default();
                entry.others.push((Arc::clone(member), claim));
                *self.members.entry(Arc::clone(member)).or_default() += 1;
            }
            (None, None) => return false,
        }
        true
    }

    /// Removes the entry of an instance on which there is no claim any more.
    fn remove_if_empty(&mut self, place: &Place) {
        if self.by_place.get(place).is_some_and(Entry::is_empty) {
            self.by_place.remove(place);
        }
    }

    /// The place of an own deregistration that may be forgotten, removed from the queue.
    pub(super) fn due_removal(&mut self, now: Moment) -> Option<Place> {
        let is_due = self.removals.first().is_some_and(|(at, _)| *at <= now);
        Some(is_due.then(|| self.removals.pop_first()).flatten()?.1)
    }
}
