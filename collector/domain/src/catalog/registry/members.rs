//! The instances of other members of the cluster: see [`super::super::claims`].
//!
//! The record of an instance is the one that is shown. Every function here first changes the claims on an instance, and then makes
//! the record follow them.

mod own;
mod show;

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        Claim, ClaimState, Effects, Endpoint, EventKind, InstanceRef, Kind, Place, Publisher,
        ServiceKey,
        claims::{Entry, OwnState, Winner},
    },
    Missing, Owner, Refused, Registry,
};
use crate::{Moment, Timestamp};

/// The most claims that are checked, or deregistrations that are forgotten, under one lock.
const PART: usize = 256;
/// How much longer a deregistration is kept if another member still has a claim that it replaced.
const EXTENSION: Duration = Duration::from_secs(15);

impl Registry {
    /// Begins to share the lists with other members, as the member `own`. `epoch` is the wall time at moment 0.
    pub fn share_as(&mut self, own: Arc<str>, epoch: Timestamp) {
        self.claims.share_as(own, epoch);
    }

    /// The number of instances with claims, by this collector or by others.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.claims.len()
    }

    /// Applies what another member publishes about an instance: `None` if it no longer claims the instance.
    ///
    /// # Errors
    /// There is no room, and the claim is forgotten; or the claim is not valid, and an earlier one of the member stays.
    pub fn apply_claim(
        &mut self,
        member: &Arc<str>,
        place: &Place,
        claim: Option<Claim>,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let place = (place.0.clone(), self.share(&place.1));
        let claim = claim.map(|claim| self.interned(&place, claim));
        if let Some(ClaimState::Registered { registration, .. }) =
            claim.as_ref().map(|claim| &claim.state)
        {
            let publisher = Publisher::Member(Arc::clone(member));
            self.check(&publisher, registration)?;
        }
        if claim.is_some() && self.claims.at(&place).is_none() {
            self.room_in_bytes(1)?;
        }
        if !self.claims.set_other(member, &place, claim) {
            return Ok(());
        }
        self.bury_at(member, &place, now);
        self.follow_claims(&place, EventKind::MemberRemoved, now, effects)
    }

    /// Ends the claims of other members that `keep` rejects, among a bounded number of claims after one. Returns the last of these
    /// claims; `None` at the end.
    pub fn retain_claims(
        &mut self,
        after: Option<&Place>,
        what: EventKind,
        mut keep: impl FnMut(&Arc<str>, &Place) -> bool,
        now: Moment,
        effects: &mut Effects,
    ) -> Option<Place> {
        let part = self.claims.part(after, PART);
        for (place, members, _) in &part {
            for member in members.iter().filter(|member| !keep(member, place)) {
                self.claims.set_other(member, place, None);
                // The next claim takes over the record, which needs no room. If there is no record and no room, it is forgotten.
                let shown = self.follow_claims(place, what, now, effects);
                effects.left_out += usize::from(shown.is_err());
            }
        }
        part.into_iter().next_back().map(|(place, ..)| place)
    }

    /// The other members that claim instances.
    pub fn claimants(&self) -> impl Iterator<Item = &Arc<str>> {
        self.claims.members()
    }

    /// The member whose claim on an instance is shown, and whether its client sends beats.
    #[must_use]
    pub fn shown_member(&self, place: &Place) -> Option<(&Arc<str>, bool)> {
        match self.claims.at(place)?.winner(self.claims.own()?)? {
            Winner::Other(member, claim) => match &claim.state {
                ClaimState::Registered { needs_beats, .. } => Some((member, *needs_beats)),
                ClaimState::Deregistered { .. } => None,
            },
            Winner::Own(_) => None,
        }
    }

    /// The number of other members that have shown instances, and the number of these instances.
    pub(super) fn of_members(&self) -> (usize, usize) {
        let shown = self.claims.members().filter_map(|member| {
            let publisher = Publisher::Member(Arc::clone(member));
            Some(self.published.get(&publisher)?.len())
        });
        shown.fold((0, 0), |(members, instances), shown| {
            (members + 1, instances + shown)
        })
    }

    /// The place of an instance that may be claimed.
    fn claimed_place(&self, index: u32) -> Option<Place> {
        let record = self.records.at(index).filter(|_| self.claims.is_shared())?;
        let service = self.services.at(record.service)?;
        let is_ephemeral = record.kind.is_ephemeral();
        is_ephemeral.then(|| (service.key.clone(), record.endpoint.clone()))
    }

    /// Ends this collector's claim on an instance that ends here, and gives the record to the member whose claim is shown next.
    /// Returns whether there is one, so that the record stays.
    pub(super) fn hands_over(
        &mut self,
        index: u32,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> bool {
        let Some(place) = self.claimed_place(index) else {
            return false;
        };
        let entry = self.claims.at(&place);
        let end = entry.and_then(|entry| entry.published_end(now.after(EXTENSION)));
        self.claims.set_own(&place, end);
        effects.claims.push(place.clone());
        if self.shown_member(&place).is_none() {
            return false;
        }
        if let Some(record) = self.records.at(index) {
            self.report(record.service, record, what, effects);
        }
        let shown = self.show(&place, what, now, effects);
        shown.is_ok()
    }

    /// Deregisters an instance at all members, whichever of them has it.
    pub(super) fn deregister_everywhere(
        &mut self,
        place: &Place,
        (now, until): (Moment, Moment),
        effects: &mut Effects,
    ) -> Result<(), Missing> {
        let found = match self.service(&place.0) {
            Some((_, service)) => {
                let found = self.find(service, &place.1, Kind::Ephemeral);
                found.ok_or(Missing::Instance)
            }
            None => Err(Missing::Service),
        };
        let entry = self.claims.at(place);
        let is_unknown = found.is_err() && !entry.is_some_and(Entry::has_others);
        let has_room = !is_unknown || self.claims.has_room_for_unknown(place);
        if has_room || found != Err(Missing::Service) {
            self.tombstones.bury(&place.0, &place.1, until);
        }
        if !has_room {
            return found.map(drop);
        }
        let place = (place.0.clone(), self.share(&place.1));
        let state = OwnState::Deregistered(until.since(now), until);
        self.claims.make(&place, state, now);
        if is_unknown {
            self.claims.record_unknown(&place);
        }
        effects.claims.push(place);
        self.drop_record(found?, EventKind::Deregistered, now, effects);
        Ok(())
    }

    /// Ends the claims that a connection keeps behind later ones, except at these endpoints.
    pub(super) fn end_kept(
        &mut self,
        publisher: &Publisher,
        service: Option<&ServiceKey>,
        except: impl Fn(&Endpoint) -> bool,
        effects: &mut Effects,
    ) {
        let Publisher::Connection(connection) = publisher else {
            return;
        };
        for place in self.claims.kept_by(*connection, service) {
            if !except(&place.1) {
                self.claims.set_own(&place, None);
                effects.claims.push(place);
            }
        }
    }

    /// Forgets deregistrations whose term has ended. A deregistration is kept longer while another member still has a claim that it
    /// replaced, because that member may not have read it yet. A claim that the deregistration did not know is shown from now on.
    pub(super) fn forget_removals(&mut self, now: Moment, effects: &mut Effects) {
        for _ in 0..PART {
            let Some(place) = self.claims.due_removal(now) else {
                return;
            };
            let entry = self.claims.at(&place);
            let again = entry.and_then(|entry| entry.extended_removal(now.after(EXTENSION)));
            let is_forgotten = again.is_none();
            self.claims.set_own(&place, again);
            if is_forgotten {
                effects.claims.push(place.clone());
                let what = EventKind::MemberRemoved;
                let shown = self.show_or_forget(&place, what, now, effects);
                effects.left_out += usize::from(shown.is_err());
            }
        }
    }

    /// Whether an instance belongs to another member.
    #[must_use]
    pub fn is_of_member(&self, instance: InstanceRef) -> bool {
        let record = self.records.get(instance);
        record.is_some_and(|record| record.owner == Owner::Member)
    }
}
