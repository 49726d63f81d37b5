//! Applies one registration to the records.

use std::sync::Arc;

use super::{
    super::{
        Effects, EventKind, Full, HealthBy, Instance, InstanceRef, Metadata, Publisher,
        Registration, Resource, ServiceKey,
    },
    Held, Owner, Refused, Registrant, Registry,
    record::{Extra, Record, member_of},
    shares::Payer,
};
use crate::Moment;

impl Registry {
    /// Registers an instance, for which the caller has checked the room, and leaves the publisher's other instances as they are.
    /// Returns the instance, and whether it is new.
    pub(super) fn put(
        &mut self,
        by: &Registrant,
        key: &ServiceKey,
        registration: Registration,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(InstanceRef, bool), Refused> {
        let known = self.known(key, &registration);
        self.tombstones.clear(key, &registration.endpoint);
        let is_same = known
            .and_then(|index| self.records.at(index))
            .is_some_and(|record| record.is_owned_by(&by.publisher));
        let (index, is_new) = match known {
            Some(index) => {
                self.take_over(index, &by.publisher, effects);
                self.charge_at(index, by.peer);
                self.set_registered(index, registration, HealthBy::Registration, effects);
                (index, false)
            }
            None => (self.add(by, key, registration, now, effects)?, true),
        };
        self.claim_at(index, is_same, now, effects);
        let instance = self.records.reference(index);
        let instance = instance.unwrap_or(InstanceRef {
            index,
            generation: u32::MAX,
        });
        Ok((instance, is_new))
    }

    /// Completes a registration with the values that it does not change on an existing instance: the health of a persistent
    /// instance, and the id if the registration names none.
    #[must_use]
    pub fn kept(&self, key: &ServiceKey, registration: Registration) -> Registration {
        self.completed(self.known(key, &registration), registration)
    }

    /// As [`Registry::kept`], for the instance in this slot.
    pub(super) fn completed(
        &self,
        known: Option<u32>,
        mut registration: Registration,
    ) -> Registration {
        if let Some(record) = known.and_then(|index| self.records.at(index)) {
            record.complete(&mut registration);
        }
        registration
    }

    pub(super) fn take_over(&mut self, index: u32, publisher: &Publisher, effects: &mut Effects) {
        let Some(record) = self
            .records
            .at(index)
            .filter(|record| !record.is_owned_by(publisher))
        else {
            return;
        };
        let (service, before, was_leased) =
            (record.service, record.publisher(), record.is_leased());
        if record.owner != Owner::Restored {
            self.report(service, record, EventKind::TakenOver, effects);
        }
        self.release(&before, (service, index));
        self.set_member(index, member_of(publisher));
        if let Some(record) = self.records.at_mut(index) {
            record.owner = Owner::of(publisher);
            let is_leased = record.is_leased();
            self.hold(publisher.clone(), (service, index));
            self.lease(index, was_leased, is_leased, effects);
        }
    }

    /// Records which other member has an instance; an instance of another member is charged to no peer.
    fn set_member(&mut self, index: u32, member: Option<Arc<str>>) {
        let Some(record) = self.records.at_mut(index) else {
            return;
        };
        if record.member() == member {
            return;
        }
        if member.is_some() {
            let held = Held {
                services: 0,
                bytes: record.cost(),
            };
            self.shares.release(record.payer, held);
            record.payer = Payer::default();
        }
        let extra = record.extra.as_deref();
        let extra = Extra {
            instance_id: extra.and_then(|extra| extra.instance_id.clone()),
            app: extra.and_then(|extra| extra.app.clone()),
            member,
        };
        record.extra = extra.shared().map(|extra| self.extras.intern(extra));
    }

    /// Records the registered values of an instance. `by` is what changed its health, if that changes.
    pub(super) fn set_registered(
        &mut self,
        index: u32,
        registration: Registration,
        by: HealthBy,
        effects: &mut Effects,
    ) {
        let Some(before) = self.instance_at(index) else {
            return;
        };
        if before.registered == registration {
            return;
        }
        self.publish_at(index, effects);
        let metadata = self.metadata.intern(registration.metadata);
        let extra = Extra {
            instance_id: registration.instance_id,
            app: registration.app,
            member: self.records.at(index).and_then(Record::member),
        };
        let extra = extra.shared().map(|extra| self.extras.intern(extra));
        let Some(record) = self.records.at_mut(index) else {
            return;
        };
        let cost = record.cost();
        let (service, was_healthy, payer) = (record.service, record.healthy, record.payer);
        record.weight = registration.weight;
        record.enabled = registration.enabled;
        record.healthy = registration.healthy;
        record.metadata = metadata;
        record.extra = extra;
        let after = record.cost();
        self.shares.resize(payer, cost, after);
        self.counts.bytes = (self.counts.bytes + after).saturating_sub(cost);
        if was_healthy != registration.healthy {
            self.count_health(service, registration.healthy);
            self.report_health(index, registration.healthy, by, effects);
        }
        let after = self.instance_at(index);
        if after.is_some_and(|after| differs(&before, &after)) {
            if let Some(record) = self.records.at(index) {
                self.report(service, record, EventKind::Updated, effects);
            }
            self.touch(service, effects);
        }
    }

    pub(super) fn count_health(&mut self, service: u32, healthy: bool) {
        let count = |count: usize| {
            if healthy {
                count + 1
            } else {
                count.saturating_sub(1)
            }
        };
        self.counts.healthy = count(self.counts.healthy);
        if let Some(service) = self.services.at_mut(service) {
            service.healthy = count(service.healthy);
        }
    }

    pub(super) fn check(
        &self,
        publisher: &Publisher,
        registration: &Registration,
    ) -> Result<(), Refused> {
        let bytes = registration.metadata.bytes();
        Full::check(Resource::MetadataBytes, bytes, self.limits.metadata_bytes)?;
        if !(registration.weight.is_finite() && registration.weight >= 0.0) {
            return Err(Refused::Weight(registration.weight));
        }
        let is_connection = matches!(publisher, Publisher::Connection(_));
        if is_connection && !registration.kind.is_ephemeral() {
            return Err(Refused::PersistentOnConnection);
        }
        if registration.metadata.beats().is_consistent() {
            Ok(())
        } else {
            Err(Refused::BeatInterval)
        }
    }
}

pub(super) fn differs(before: &Instance, after: &Instance) -> bool {
    let same = |one: &Arc<Metadata>, other: &Arc<Metadata>| Arc::ptr_eq(one, other) || one == other;
    before.registered.healthy != after.registered.healthy
        || before.registered.instance_id != after.registered.instance_id
        || before.weight().to_bits() != after.weight().to_bits()
        || before.enabled() != after.enabled()
        || !same(&before.metadata(), &after.metadata())
}
