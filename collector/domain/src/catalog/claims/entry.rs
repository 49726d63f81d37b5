//! Which of the claims on an instance is shown.

use std::{sync::Arc, time::Duration};

use super::{Claim, ClaimState, Entry, Own, OwnState, Rank, Winner};
use crate::Moment;

impl Claim {
    fn rank<'a>(&self, member: &'a str) -> Rank<'a> {
        let is_end = matches!(self.state, ClaimState::Deregistered { .. });
        (self.at, is_end, member)
    }
}

impl Own {
    fn rank<'a>(&self, own: &'a str) -> Rank<'a> {
        let is_end = matches!(self.state, OwnState::Deregistered(..));
        (self.at, is_end, own)
    }
}

impl Entry {
    fn latest_other(&self) -> Option<&(Arc<str>, Claim)> {
        let others = self.others.iter();
        others.max_by_key(|(member, claim)| claim.rank(member))
    }

    /// The claims of other members that have the instance.
    fn rivals(&self) -> impl Iterator<Item = &(Arc<str>, Claim)> {
        let others = self.others.iter();
        others.filter(|(_, claim)| matches!(claim.state, ClaimState::Registered { .. }))
    }

    /// The claims of other members that are still there although this collector's claim replaced them.
    fn replaced_by<'a>(&'a self, own: &'a Own) -> impl Iterator<Item = &'a Claim> {
        let is_replaced = |(member, claim): &&(Arc<str>, Claim)| {
            let mut replaced = own.replaces.iter();
            replaced.any(|(name, at)| name == member && *at >= claim.at)
        };
        self.rivals().filter(is_replaced).map(|(_, claim)| claim)
    }

    /// Whether claims that this one of this collector replaced are still there.
    pub(in crate::catalog) fn replaces_any(&self, own: &Own) -> bool {
        self.replaced_by(own).next().is_some()
    }

    /// Whether another member claims anything about the instance.
    pub(in crate::catalog) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// What this collector publishes when its claim ends while other members still have claims that it replaced: an end, so that
    /// these members do not show the instance again. `None`: its entry is removed.
    pub(in crate::catalog) fn published_end(&self, until: Moment) -> Option<Own> {
        let own = self.own.as_ref()?;
        let at = self.replaced_by(own).map(|claim| claim.at).max()?;
        Some(Own {
            at,
            replaces: own.replaces.clone(),
            state: OwnState::Deregistered(Duration::ZERO, until),
        })
    }

    /// This collector's deregistration, kept until a later time, if a member whose claim it replaced has not read it yet.
    pub(in crate::catalog) fn extended_removal(&self, until: Moment) -> Option<Own> {
        let own = self.own.as_ref()?;
        let OwnState::Deregistered(term, _) = own.state else {
            return None;
        };
        self.replaced_by(own).next()?;
        Some(Own {
            at: own.at,
            replaces: own.replaces.clone(),
            state: OwnState::Deregistered(term, until),
        })
    }

    /// The latest claim of another member, if it is later than this collector's.
    pub(in crate::catalog) fn later_claim(&self, own: &Arc<str>) -> Option<&Claim> {
        let (member, latest) = self.latest_other()?;
        let mine = self.own.as_ref()?;
        (latest.rank(member) > mine.rank(own)).then_some(latest)
    }

    pub(in crate::catalog) fn winner(&self, own: &Arc<str>) -> Option<Winner<'_>> {
        let other = self.latest_other();
        match (&self.own, other) {
            (Some(mine), _) if self.later_claim(own).is_none() => Some(Winner::Own(&mine.state)),
            (_, Some((member, claim))) => Some(Winner::Other(member, claim)),
            (_, None) => None,
        }
    }

    /// Whether this collector's claim is the end of one, and the members whose claims it replaced have read it.
    pub(in crate::catalog) fn is_end_read(&self) -> bool {
        let Some(own) = &self.own else {
            return false;
        };
        let is_end = matches!(own.state, OwnState::Deregistered(term, _) if term.is_zero());
        is_end && self.replaced_by(own).next().is_none()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_none() && self.others.is_empty()
    }
}
