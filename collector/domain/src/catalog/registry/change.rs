//! Changes of instances.

use std::collections::BTreeMap;

use super::{
    super::{
        ConnectionEnd, ConnectionId, Effects, Endpoint, EventKind, HealthBy, InstanceRef, Kind,
        Patch, Publisher, Registration, ServiceKey, cost,
    },
    Missing, Owner, Refused, Registered, Registrant, Registry,
};
use crate::Moment;

impl Registry {
    /// Registers an instance, or changes it and makes the publisher of `by` its owner. A connection registers one instance of a
    /// service here (several with [`Registry::batch`]), so its other instances of the service are removed. The tombstone of the
    /// instance is removed.
    ///
    /// # Errors
    /// The registration is not valid, or there is no room.
    pub fn register(
        &mut self,
        by: impl Into<Registrant>,
        key: &ServiceKey,
        registration: Registration,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<Registered, Refused> {
        let by = by.into();
        self.check(&by.publisher, &registration)?;
        let known = self.known(key, &registration);
        let registration = self.completed(known, registration);
        let others = self.published_in(&by.publisher, key);
        self.room_for(&by, key, &registration, known, &others)?;
        let at = |endpoint: &Endpoint| *endpoint == registration.endpoint;
        self.end_kept(&by.publisher, Some(key), at, effects);
        let (instance, is_new) = self.put(&by, key, registration, now, effects)?;
        for other in others {
            if other != instance.index {
                self.remove_at(other, EventKind::Replaced, now, effects);
            }
        }
        Ok(Registered {
            instance,
            revision: self.revision_of(key),
            is_new,
        })
    }

    /// Makes these instances the only ones of a service that the connection holds. If two have the same endpoint, the later one is
    /// kept. Returns the revision of the service.
    ///
    /// # Errors
    /// A registration is not valid, or there is no room for all.
    pub fn batch(
        &mut self,
        by: impl Into<Registrant>,
        key: &ServiceKey,
        registrations: Vec<Registration>,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<u64, Refused> {
        let by = by.into();
        for registration in &registrations {
            self.check(&by.publisher, registration)?;
        }
        let mut wanted: BTreeMap<Endpoint, Registration> = registrations
            .into_iter()
            .map(|registration| (registration.endpoint.clone(), registration))
            .collect();
        let mut unwanted = self.published_in(&by.publisher, key);
        unwanted.retain(|index| {
            let record = self.records.at(*index);
            record.is_some_and(|record| !wanted.contains_key(&record.endpoint))
        });
        self.room_for_batch(&by, key, &mut wanted, &unwanted)?;
        let is_wanted = |endpoint: &Endpoint| wanted.contains_key(endpoint);
        self.end_kept(&by.publisher, Some(key), is_wanted, effects);
        for index in unwanted {
            self.remove_at(index, EventKind::Replaced, now, effects);
        }
        for registration in wanted.into_values() {
            self.put(&by, key, registration, now, effects)?;
        }
        Ok(self.revision_of(key))
    }

    /// Changes the registered values of an instance; the publisher stays.
    ///
    /// # Errors
    /// The changed instance is not valid. A missing instance is ignored.
    pub fn patch(
        &mut self,
        instance: InstanceRef,
        patch: &Patch,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        let Some(before) = self.instance(instance) else {
            return Ok(());
        };
        let patched = before.registered.patched(patch);
        self.admits_patch(instance, &patched)?;
        self.set_registered(instance.index, patched, HealthBy::Registration, effects);
        Ok(())
    }

    /// Checks that the changed values of an instance are valid and fit into the share that the instance is charged to.
    ///
    /// # Errors
    /// As [`Registry::patch`].
    pub fn admits_patch(
        &self,
        instance: InstanceRef,
        patched: &Registration,
    ) -> Result<(), Refused> {
        let Some(record) = self.records.get(instance) else {
            return Ok(());
        };
        self.check(&record.publisher(), patched)?;
        let added = cost::registration(patched).saturating_sub(record.cost());
        self.room_in_bytes(added)?;
        Ok(self.share_of_payer(record.payer, added)?)
    }

    /// Removes the instance at an endpoint, whatever its publisher. An ephemeral one leaves a tombstone until `tombstone_until`.
    ///
    /// # Errors
    /// The service does not exist, or it has no such instance. In the second case the tombstone of an ephemeral instance is left. If
    /// the lists are shared, other members may have the instance, so it is deregistered there in both cases.
    pub fn deregister(
        &mut self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        kind: Kind,
        (now, tombstone_until): (Moment, Moment),
        effects: &mut Effects,
    ) -> Result<(), Missing> {
        if kind.is_ephemeral() && self.claims.is_shared() {
            let place = (key.clone(), endpoint.clone());
            let times = (now, tombstone_until);
            return self.deregister_everywhere(&place, times, effects);
        }
        let (_, service) = self.service(key).ok_or(Missing::Service)?;
        let found = self.find(service, endpoint, kind);
        if kind.is_ephemeral() {
            self.tombstones.bury(key, endpoint, tombstone_until);
        }
        self.remove_at(
            found.ok_or(Missing::Instance)?,
            EventKind::Deregistered,
            now,
            effects,
        );
        Ok(())
    }

    /// Removes the instances of a service that a connection holds. Returns their number.
    pub fn withdraw(
        &mut self,
        connection: ConnectionId,
        key: &ServiceKey,
        now: Moment,
        effects: &mut Effects,
    ) -> usize {
        let publisher = Publisher::Connection(connection);
        self.end_kept(&publisher, Some(key), |_| false, effects);
        let published = self.published_in(&publisher, key);
        for index in &published {
            self.remove_at(*index, EventKind::Deregistered, now, effects);
        }
        published.len()
    }

    /// Removes up to `limit` of the instances that a connection still holds. Returns whether none is left; the caller repeats the
    /// call until it returns `true`.
    pub fn end(
        &mut self,
        connection: ConnectionId,
        end: ConnectionEnd,
        limit: usize,
        now: Moment,
        effects: &mut Effects,
    ) -> bool {
        let publisher = Publisher::Connection(connection);
        let published = self
            .published
            .get(&publisher)
            .map(|published| published.first(limit));
        for (_, index) in published.into_iter().flatten() {
            self.remove_at(index, EventKind::ConnectionEnded(end), now, effects);
        }
        let is_done = !self.published.contains_key(&publisher);
        if is_done {
            self.end_kept(&publisher, None, |_| false, effects);
        }
        is_done
    }

    /// Removes an instance, if it still exists.
    pub fn remove(
        &mut self,
        instance: InstanceRef,
        what: EventKind,
        now: Moment,
        effects: &mut Effects,
    ) -> bool {
        self.records.get(instance).is_some() && self.remove_at(instance.index, what, now, effects)
    }

    /// Records the health of an instance and its cause. Returns whether the health changed.
    pub fn set_health(
        &mut self,
        instance: InstanceRef,
        healthy: bool,
        by: HealthBy,
        effects: &mut Effects,
    ) -> bool {
        let Some(before) = self.records.get(instance).map(|record| record.healthy) else {
            return false;
        };
        if before == healthy {
            return false;
        }
        let Some(record) = self.records.at_mut(instance.index) else {
            return false;
        };
        record.healthy = healthy;
        let service = record.service;
        self.publish_at(instance.index, effects);
        self.count_health(service, healthy);
        self.report_health(instance.index, healthy, by, effects);
        self.touch(service, effects);
        true
    }

    /// Reports a changed health.
    pub(super) fn report_health(
        &self,
        index: u32,
        healthy: bool,
        by: HealthBy,
        effects: &mut Effects,
    ) {
        let what = if healthy {
            EventKind::Healthy(by)
        } else {
            EventKind::Unhealthy(by)
        };
        if let Some(record) = self.records.at(index) {
            self.report(record.service, record, what, effects);
        }
    }

    /// Makes the client that sent a beat the owner of an instance restored from an earlier run. Such a client has no connection.
    pub fn claim(&mut self, instance: InstanceRef, effects: &mut Effects) {
        let record = self.records.get(instance);
        if let Some(record) = record.filter(|record| record.owner == Owner::Restored) {
            let publisher = record.endpoint.publisher();
            self.take_over(instance.index, &publisher, effects);
        }
    }

    /// Checks that a registration is valid and that there is room for it.
    ///
    /// # Errors
    /// As [`Registry::register`].
    pub fn admits(
        &self,
        by: impl Into<Registrant>,
        key: &ServiceKey,
        registration: &Registration,
    ) -> Result<(), Refused> {
        let by = by.into();
        self.check(&by.publisher, registration)?;
        let others = self.published_in(&by.publisher, key);
        let known = self.known(key, registration);
        Ok(self.room_for(&by, key, registration, known, &others)?)
    }
}
