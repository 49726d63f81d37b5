//! What is read of all claims.

use std::{
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use super::{Claims, ConnectionId, Entry, Place, ServiceKey};

/// The most deregistrations of instances that no known member has. Any client can cause them, and each is written.
const MOST_UNKNOWN: usize = 1_024;

/// Bytes charged for the claims on an instance, and for each of another member.
const PLACE_BYTES: usize = 320;
const CLAIM_BYTES: usize = 704;

impl Claims {
    pub(in crate::catalog) fn own(&self) -> Option<&Arc<str>> {
        self.own.as_ref()
    }

    pub(in crate::catalog) const fn is_shared(&self) -> bool {
        self.own.is_some()
    }

    pub(in crate::catalog) fn at(&self, place: &Place) -> Option<&Entry> {
        self.by_place.get(place)
    }

    /// The number of instances with claims.
    pub(in crate::catalog) fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Whether an instance that no known member has may be deregistered.
    pub(in crate::catalog) fn has_room_for_unknown(&self, place: &Place) -> bool {
        self.unknown.len() < MOST_UNKNOWN || self.unknown.contains(place)
    }

    /// The bytes that all claims take.
    pub(in crate::catalog) fn bytes(&self) -> usize {
        let others = self.members.values().sum::<usize>();
        self.by_place.len() * PLACE_BYTES + others * CLAIM_BYTES + self.kept_bytes
    }

    /// The other members that have claims.
    pub(in crate::catalog) fn members(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.keys()
    }

    /// The places of the claims that a connection keeps, of one service or of all.
    pub(in crate::catalog) fn kept_by(
        &self,
        connection: ConnectionId,
        service: Option<&ServiceKey>,
    ) -> Vec<Place> {
        let kept = self.kept.get(&connection).into_iter().flatten();
        kept.filter(|(key, _)| service.is_none_or(|service| service == key))
            .cloned()
            .collect()
    }

    /// Up to `limit` places after one, each with the other members that claim it, and whether this collector does.
    pub(in crate::catalog) fn part(
        &self,
        after: Option<&Place>,
        limit: usize,
    ) -> Vec<(Place, Vec<Arc<str>>, bool)> {
        let from = after.map_or(Unbounded, Excluded);
        let part = self.by_place.range((from, Unbounded)).take(limit);
        part.map(|(place, entry)| {
            let members = entry.others.iter().map(|(member, _)| Arc::clone(member));
            (place.clone(), members.collect(), entry.own.is_some())
        })
        .collect()
    }
}
