//! Adds and removes records, and updates counters and indexes.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    super::{
        Effects, Endpoint, EventKind, Full, Publisher, Registration, Resource, ServiceKey, cost,
    },
    Held, Owner, Refused, Registrant, Registry,
    published::{InstanceSet, Item},
    record::{Record, Service},
};
use crate::Moment;

impl Registry {
    /// The instances of a service that a connection holds; empty for other publishers, whose instances are independent.
    pub(super) fn published_in(&self, publisher: &Publisher, key: &ServiceKey) -> Vec<u32> {
        let Publisher::Connection(_) = publisher else {
            return Vec::new();
        };
        match (self.ids.get(key), self.published.get(publisher)) {
            (Some(service), Some(published)) => published.of(*service),
            _ => Vec::new(),
        }
    }

    pub(super) fn revision_of(&self, key: &ServiceKey) -> u64 {
        self.service(key).map_or(0, |(_, service)| service.revision)
    }

    /// Checks that there is room for an instance once `replaced`, the other instances of the publisher, are removed. `known` is the
    /// slot of the instance that the registration changes ([`Registry::known`]).
    pub(super) fn room_for(
        &self,
        by: &Registrant,
        key: &ServiceKey,
        registration: &Registration,
        known: Option<u32>,
        replaced: &[u32],
    ) -> Result<(), Full> {
        let others = replaced.iter().filter(|index| Some(**index) != known);
        let (replaced, freed) = (others.clone().count(), self.cost_of(others));
        let cost = cost::registration(registration);
        let Some(record) = known.and_then(|index| self.records.at(index)) else {
            let service = self.room_in_service(key, by.peer, (1, replaced))?;
            self.room_of_publisher(&by.publisher, (1, replaced))?;
            let added = (service + cost).saturating_sub(freed);
            self.share_in_bytes(by.peer, added)?;
            return self.room_in_bytes(added);
        };
        if record.owner != Owner::of(&by.publisher) {
            self.room_of_publisher(&by.publisher, (1, replaced))?;
        }
        let added = cost.saturating_sub(record.cost() + freed);
        self.share_in_bytes(by.peer, added)?;
        self.room_in_bytes(added)
    }

    /// The bytes that these instances take.
    fn cost_of<'a>(&self, indexes: impl Iterator<Item = &'a u32>) -> usize {
        let records = indexes.filter_map(|index| self.records.at(*index));
        records.map(Record::cost).sum()
    }

    /// The slot of the instance that a registration changes.
    pub(super) fn known(&self, key: &ServiceKey, registration: &Registration) -> Option<u32> {
        let (_, service) = self.service(key)?;
        self.find(service, &registration.endpoint, registration.kind)
    }

    /// Checks that there is room for a batch that removes these other instances of the publisher from the service. Only the
    /// additions of the batch count: a client that reconnects repeats its batch while its earlier connection still holds the
    /// instances. Also completes the registrations of known instances.
    pub(super) fn room_for_batch(
        &self,
        by: &Registrant,
        key: &ServiceKey,
        wanted: &mut BTreeMap<Endpoint, Registration>,
        removed: &[u32],
    ) -> Result<(), Full> {
        let service = self.service(key).map(|(_, service)| service);
        let owner = Owner::of(&by.publisher);
        let (mut added, mut taken_over, mut bytes) = (0, 0, 0);
        let mut freed = self.cost_of(removed.iter());
        for registration in wanted.values_mut() {
            let known = service
                .and_then(|service| self.find(service, &registration.endpoint, registration.kind))
                .and_then(|index| self.records.at(index));
            let Some(record) = known else {
                added += 1;
                bytes += cost::registration(registration);
                continue;
            };
            record.complete(registration);
            taken_over += usize::from(record.owner != owner);
            bytes += cost::registration(registration);
            freed += record.cost();
        }
        let removed = removed.len();
        let service = self.room_in_service(key, by.peer, (added, removed))?;
        self.room_of_publisher(&by.publisher, (added + taken_over, removed))?;
        let bytes = (service + bytes).saturating_sub(freed);
        self.share_in_bytes(by.peer, bytes)?;
        self.room_in_bytes(bytes)
    }

    /// Checks that there is room for the instances in their service, and for the service if it is new. Returns the bytes of a new
    /// service.
    fn room_in_service(
        &self,
        key: &ServiceKey,
        peer: Option<IpAddr>,
        (added, replaced): (usize, usize),
    ) -> Result<usize, Full> {
        let limits = &self.limits;
        let (members, service) = match self.service(key) {
            Some((_, service)) => (service.members.len(), 0),
            None => {
                Full::check(Resource::Services, self.ids.len() + 1, limits.services)?;
                self.share_in_services(peer)?;
                (0, Service::base_cost(key))
            }
        };
        if added > 0 {
            let after = (members + added).saturating_sub(replaced);
            let limit = limits.instances_per_service;
            Full::check(Resource::InstancesPerService, after, limit)?;
        }
        Ok(service)
    }

    fn room_of_publisher(
        &self,
        publisher: &Publisher,
        (added, replaced): (usize, usize),
    ) -> Result<(), Full> {
        if !matches!(publisher, Publisher::Connection(_)) {
            return Ok(());
        }
        let published = self.published.get(publisher).map_or(0, InstanceSet::len);
        let after = (published + added).saturating_sub(replaced);
        let limit = self.limits.instances_per_connection;
        Full::check(Resource::InstancesPerConnection, after, limit)
    }

    /// Checks that there is room for these bytes. A change that adds no bytes is always admitted.
    pub(super) fn room_in_bytes(&self, added: usize) -> Result<(), Full> {
        if added == 0 {
            return Ok(());
        }
        let wanted = self.bytes().saturating_add(added);
        Full::check(Resource::Bytes, wanted, self.limits.bytes)
    }

    /// Adds a new instance.
    pub(super) fn add(
        &mut self,
        by: &Registrant,
        key: &ServiceKey,
        mut registration: Registration,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<u32, Refused> {
        let (service, is_new) = self.service_or_new(key, now)?;
        if is_new {
            effects.appeared.push(key.clone());
        }
        registration.endpoint = self.share(&registration.endpoint);
        registration.metadata = self.metadata.intern(registration.metadata);
        let mut record = Record::new(service, &by.publisher, registration);
        record.extra = record.extra.map(|extra| self.extras.intern(extra));
        let (kind, healthy, cost) = (record.kind, record.healthy, record.cost());
        let is_leased = record.is_leased();
        let endpoint = record.endpoint.clone();
        let full = Full {
            resource: Resource::Bytes,
            limit: self.limits.bytes,
        };
        let index = self.records.insert(record).ok_or(full)?.index;
        let place = match self.services.at(service) {
            Some(found) => self
                .place(found, &endpoint, kind)
                .unwrap_or_else(|place| place),
            None => 0,
        };
        if let Some(found) = self.services.at_mut(service) {
            self.empty.remove(&(found.empty_since, service));
            found.members.insert(place, index);
            found.healthy += usize::from(healthy);
        }
        self.counts.bytes += cost;
        self.counts.healthy += usize::from(healthy);
        *self.count_of(kind) += 1;
        self.charge_at(index, by.peer);
        self.hold(by.publisher.clone(), (service, index));
        self.lease(index, false, is_leased, effects);
        if !kind.is_ephemeral() {
            effects.persistent.extend(self.records.reference(index));
        }
        self.adopt_override(service, &endpoint);
        if let Some(record) = self.records.at(index) {
            self.report(service, record, EventKind::Registered, effects);
        }
        self.touch(service, effects);
        Ok(index)
    }

    /// Removes an instance. If another member has it too, the record stays and belongs to that member.
    pub(super) fn remove_at(
        &mut self,
        index: u32,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> bool {
        self.hands_over(index, what, now, effects) || self.drop_record(index, what, now, effects)
    }

    pub(super) fn drop_record(
        &mut self,
        index: u32,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> bool {
        let (Some(record), Some(reference)) =
            (self.records.at(index), self.records.reference(index))
        else {
            return false;
        };
        let service = record.service;
        self.report(service, record, what, effects);
        let place = self
            .services
            .at(service)
            .and_then(|found| self.place(found, &record.endpoint, record.kind).ok());
        let Some(record) = self.records.remove(index) else {
            return false;
        };
        if record.is_leased() {
            effects.ended.push(reference);
        }
        self.release(&record.publisher(), (service, index));
        let held = Held {
            services: 0,
            bytes: record.cost(),
        };
        self.shares.release(record.payer, held);
        self.counts.bytes = self.counts.bytes.saturating_sub(held.bytes);
        self.counts.healthy -= usize::from(record.healthy);
        *self.count_of(record.kind) -= 1;
        if let (Some(found), Some(place)) = (self.services.at_mut(service), place) {
            found.members.remove(place);
            found.healthy -= usize::from(record.healthy);
            give_back(&mut found.members);
            if found.members.is_empty() {
                found.empty_since = now;
                self.empty.insert((now, service));
            }
        }
        self.orphan_override(service, &record.endpoint, now);
        self.touch(service, effects);
        true
    }

    /// The service with this key, created if there is none, and whether it was created.
    pub(super) fn service_or_new(
        &mut self,
        key: &ServiceKey,
        now: Moment,
    ) -> Result<(u32, bool), Full> {
        if let Some(id) = self.ids.get(key) {
            return Ok((*id, false));
        }
        let limit = self.limits.services;
        Full::check(Resource::Services, self.ids.len() + 1, limit)?;
        let service = Service::new(key.clone(), now);
        let cost = service.cost();
        self.room_in_bytes(cost)?;
        let full = Full {
            resource: Resource::Bytes,
            limit: self.limits.bytes,
        };
        let id = self.services.insert(service).ok_or(full)?.index;
        self.ids.insert(key.clone(), id);
        self.order.insert(key.clone(), id);
        self.counts.bytes += cost;
        self.empty.insert((now, id));
        Ok((id, true))
    }

    pub(super) fn hold(&mut self, publisher: Publisher, item: Item) {
        match self.published.entry(publisher) {
            std::collections::hash_map::Entry::Occupied(mut published) => {
                published.get_mut().add(item)
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(InstanceSet::One(item));
            }
        }
    }

    pub(super) fn release(&mut self, publisher: &Publisher, item: Item) {
        if let Some(published) = self.published.get_mut(publisher)
            && published.remove(item)
        {
            self.published.remove(publisher);
        }
    }

    pub(super) fn lease(&self, index: u32, was: bool, is: bool, effects: &mut Effects) {
        let Some(reference) = self.records.reference(index) else {
            return;
        };
        match (was, is) {
            (false, true) => effects.granted.push(reference),
            (true, false) => effects.ended.push(reference),
            _ => {}
        }
    }

    fn count_of(&mut self, kind: super::Kind) -> &mut usize {
        if kind.is_ephemeral() {
            &mut self.counts.ephemeral
        } else {
            &mut self.counts.persistent
        }
    }
}

/// Releases memory once a list has shrunk to a quarter.
fn give_back(members: &mut Vec<u32>) {
    if members.capacity() > 16 && members.len() * 4 < members.capacity() {
        members.shrink_to(members.len() * 2);
    }
}
