//! Makes the record of an instance follow the claims on it.

use std::sync::Arc;

use super::super::{
    super::{
        Claim, ClaimState, ConnectionId, Effects, EventKind, HealthBy, Kind, Place, Publisher,
        Registration,
        claims::{Entry, Own, OwnState, Winner},
    },
    Owner, Refused, Registrant, Registry,
};
use crate::Moment;

/// The record that should be shown.
enum Shown {
    Nothing,
    /// The present one.
    Same,
    OfConnection(ConnectionId, Registration),
    OfMember(Arc<str>, Registration),
}

impl Registry {
    /// Leaves a tombstone if a member's deregistration is the latest claim.
    pub(super) fn bury_at(&mut self, member: &Arc<str>, place: &Place, now: Moment) {
        let winner = self.claims.at(place).zip(self.claims.own());
        let winner = winner.and_then(|(entry, own)| entry.winner(own));
        if let Some(Winner::Other(name, claim)) = winner
            && name == member
            && let ClaimState::Deregistered { term } = claim.state
            && !term.is_zero()
        {
            self.tombstones.bury(&place.0, &place.1, now.after(term));
        }
    }

    pub(super) fn follow_claims(
        &mut self,
        place: &Place,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        self.yield_claim(place, effects);
        self.show_or_forget(place, what, now, effects)
    }

    /// Makes the record follow the claims. A claim of another member for which there is no room is forgotten, so that it is applied
    /// anew when all claims are read again.
    pub(super) fn show_or_forget(
        &mut self,
        place: &Place,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let shown = self.show(place, what, now, effects);
        if shown.is_err()
            && let Some((member, _)) = self.shown_member(place)
        {
            let member = Arc::clone(member);
            self.claims.set_other(&member, place, None);
        }
        shown
    }

    /// Ends this collector's claim if a later one replaces it. A claim that the later one did not know stays if it belongs to a
    /// connection, or is a deregistration that ends claims which are still there.
    pub(super) fn yield_claim(&mut self, place: &Place, effects: &mut Effects) {
        let entry = self.claims.at(place);
        if entry.is_some_and(Entry::is_end_read) {
            self.claims.set_own(place, None);
            effects.claims.push(place.clone());
        }
        let (Some(entry), Some(name)) = (self.claims.at(place), self.claims.own()) else {
            return;
        };
        let Some(own) = &entry.own else {
            return;
        };
        let Some(later) = entry.later_claim(name) else {
            // The other member may have read an earlier stamp.
            if entry.has_others() {
                effects.claims.push(place.clone());
            }
            return;
        };
        let mut replaced = later.replaces.iter();
        let knew = replaced.any(|(member, at)| member == name && *at >= own.at);
        let kept = match &own.state {
            _ if knew => None,
            OwnState::Held | OwnState::Restored => self.held_by_connection(place),
            OwnState::Kept(connection, registration) => {
                Some(OwnState::Kept(*connection, registration.clone()))
            }
            // The members whose claims it ends may not have read it yet.
            OwnState::Deregistered(term, until) => {
                let is_unread = entry.replaces_any(own);
                is_unread.then_some(OwnState::Deregistered(*term, *until))
            }
        };
        let kept = kept.map(|state| Own {
            at: own.at,
            replaces: own.replaces.clone(),
            state,
        });
        if kept.is_none() {
            effects.claims.push(place.clone());
        }
        self.claims.set_own(place, kept);
    }

    /// The claim of the connection that has an instance; `None` for other publishers.
    fn held_by_connection(&self, place: &Place) -> Option<OwnState> {
        let (_, service) = self.service(&place.0)?;
        let index = self.find(service, &place.1, Kind::Ephemeral)?;
        let Owner::Connection(connection) = self.records.at(index)?.owner else {
            return None;
        };
        let registration = self.instance_at(index)?.registered;
        Some(OwnState::Kept(connection, Box::new(registration)))
    }

    /// Makes the record of an instance follow the claims on it. `what` is the cause if no claim is left.
    pub(super) fn show(
        &mut self,
        place: &Place,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let winner = self.claims.at(place).zip(self.claims.own());
        let winner = winner.and_then(|(entry, own)| entry.winner(own));
        let mut what = what;
        let shown = match winner {
            None => Shown::Nothing,
            Some(Winner::Own(OwnState::Held | OwnState::Restored)) => Shown::Same,
            Some(Winner::Own(OwnState::Kept(connection, registration))) => {
                Shown::OfConnection(*connection, (**registration).clone())
            }
            Some(Winner::Own(OwnState::Deregistered(..))) => Shown::Nothing,
            Some(Winner::Other(member, claim)) => match &claim.state {
                ClaimState::Registered { registration, .. } => {
                    Shown::OfMember(Arc::clone(member), registration.clone())
                }
                ClaimState::Deregistered { term } => {
                    if !term.is_zero() {
                        what = EventKind::Deregistered;
                    }
                    Shown::Nothing
                }
            },
        };
        match shown {
            Shown::Same => Ok(()),
            Shown::Nothing => {
                let found = self.service(&place.0);
                let found =
                    found.and_then(|(_, service)| self.find(service, &place.1, Kind::Ephemeral));
                if let Some(index) = found {
                    self.drop_record(index, what, now, effects);
                }
                Ok(())
            }
            Shown::OfConnection(connection, registration) => {
                let publisher = Publisher::Connection(connection);
                // First, so that the registration is not charged twice.
                self.set_state(place, OwnState::Held);
                let shown = self.show_as(&publisher, place, registration.clone(), now, effects);
                if shown.is_err() {
                    self.set_state(place, OwnState::Kept(connection, Box::new(registration)));
                }
                shown
            }
            Shown::OfMember(member, registration) => {
                self.tombstones.clear(&place.0, &place.1);
                let publisher = Publisher::Member(member);
                self.show_as(&publisher, place, registration, now, effects)
            }
        }
    }

    /// Changes the state of this collector's claim.
    fn set_state(&mut self, place: &Place, state: OwnState) {
        let own = self.claims.at(place).and_then(|entry| entry.own.as_ref());
        let changed = own.map(|own| Own {
            at: own.at,
            replaces: own.replaces.clone(),
            state,
        });
        self.claims.set_own(place, changed);
    }

    fn show_as(
        &mut self,
        publisher: &Publisher,
        place: &Place,
        registration: Registration,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let by = Registrant::from(publisher);
        if let Some(index) = self.known(&place.0, &registration) {
            self.take_over(index, publisher, effects);
            self.set_registered(index, registration, HealthBy::Member, effects);
            return Ok(());
        }
        self.room_for(&by, &place.0, &registration, None, &[])?;
        self.add(&by, &place.0, registration, now, effects)?;
        Ok(())
    }

    /// The claim with values that are shared with equal ones.
    pub(super) fn interned(&mut self, place: &Place, mut claim: Claim) -> Claim {
        if let ClaimState::Registered { registration, .. } = &mut claim.state {
            registration.endpoint = place.1.clone();
            registration.kind = Kind::Ephemeral;
            registration.metadata = self.metadata.intern(Arc::clone(&registration.metadata));
        }
        claim
    }
}
