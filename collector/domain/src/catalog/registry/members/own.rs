//! What this collector claims and publishes.

use super::{
    super::{
        super::{
            Claim, ClaimState, Effects, EventKind, Kind, Place, Publisher,
            claims::{Entry, Own, OwnState},
        },
        Owner, Record, Refused, Registry,
    },
    PART,
};
use crate::Moment;

impl Registry {
    /// Whether this collector publishes anything about an instance.
    #[must_use]
    pub fn has_own_claim(&self, place: &Place) -> bool {
        let entry = self.claims.at(place);
        entry.is_some_and(|entry| entry.own.is_some())
    }

    /// What this collector publishes about an instance; `None`: nothing.
    #[must_use]
    pub fn own_claim(&self, place: &Place) -> Option<Claim> {
        let own = self.claims.at(place)?.own.as_ref()?;
        let registered = |registration, needs_beats| ClaimState::Registered {
            registration,
            needs_beats,
        };
        let state = match &own.state {
            OwnState::Held | OwnState::Restored => {
                let (_, service) = self.service(&place.0)?;
                let index = self.find(service, &place.1, Kind::Ephemeral)?;
                let record = self.records.at(index)?;
                let had_connection = matches!(own.state, OwnState::Restored);
                let needs_beats =
                    record.is_leased() && !(had_connection && record.owner == Owner::Restored);
                registered(self.instance_at(index)?.registered, needs_beats)
            }
            OwnState::Kept(_, registration) => registered((**registration).clone(), false),
            OwnState::Deregistered(term, _) => ClaimState::Deregistered { term: *term },
        };
        Some(Claim {
            at: own.at,
            replaces: own.replaces.clone(),
            state,
        })
    }

    /// Restores a claim of an earlier run of this collector, as [`Publisher::Restored`].
    ///
    /// # Errors
    /// There is no room, or the claim is not valid.
    pub fn restore_claim(
        &mut self,
        place: &Place,
        claim: Claim,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let ClaimState::Registered {
            registration,
            needs_beats,
        } = claim.state
        else {
            return Ok(());
        };
        if self.has_own_claim(place) {
            return Ok(());
        }
        let published = effects.claims.len();
        self.register(&Publisher::Restored, &place.0, registration, now, effects)?;
        // The claim is published already.
        effects.claims.truncate(published);
        let own = Own {
            at: claim.at,
            replaces: claim.replaces,
            state: if needs_beats {
                OwnState::Held
            } else {
                OwnState::Restored
            },
        };
        self.claims.set_own(place, Some(own));
        self.yield_claim(place, effects);
        self.show(place, EventKind::MemberRemoved, now, effects)
    }

    /// The places that this collector claims, among a bounded number of claims after one, and the last of these claims; `None` at
    /// the end.
    #[must_use]
    pub fn own_claims(&self, after: Option<&Place>) -> (Vec<Place>, Option<Place>) {
        let part = self.claims.part(after, PART);
        let last = part.last().map(|(place, ..)| place.clone());
        let own = part.into_iter().filter(|(_, _, is_own)| *is_own);
        (own.map(|(place, ..)| place).collect(), last)
    }

    /// Claims an instance for this collector after a registration. `is_same`: its publisher is the same as before.
    pub(in crate::catalog) fn claim_at(
        &mut self,
        index: u32,
        is_same: bool,
        now: Moment,
        effects: &mut Effects,
    ) {
        let Some(place) = self.claimed_place(index) else {
            return;
        };
        let entry = self.claims.at(&place);
        let own = entry.and_then(|entry| entry.own.as_ref());
        let is_held = own.is_some_and(|own| matches!(own.state, OwnState::Held));
        let has_others = entry.is_some_and(Entry::has_others);
        self.claims.make(&place, OwnState::Held, now);
        // Repeating a registration without a connection changes nothing but the stamp. It is published if another member turns out
        // to have the instance.
        let is_leased = self.records.at(index).is_some_and(Record::is_leased);
        if !(is_same && is_held && is_leased) || has_others {
            effects.claims.push(place);
        }
    }

    /// Publishes changed values of an instance that this collector has.
    pub(in crate::catalog) fn publish_at(&self, index: u32, effects: &mut Effects) {
        let record = self.records.at(index);
        if record.is_some_and(|record| record.owner != Owner::Member) {
            effects.claims.extend(self.claimed_place(index));
        }
    }
}
