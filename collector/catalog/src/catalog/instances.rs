//! Registrations, deregistrations and beats.

use std::{sync::Arc, time::Duration};

use rollcall_domain::catalog::{
    ConnectionId, Endpoint, HealthBy, Kind, Patch, Publisher, Registered, Registrant, Registration,
    ServiceKey,
};
use rollcall_limits::Peer;

use super::{Beat, Catalog};
use crate::{
    Error, Invalid,
    rows::{self, InstanceRow},
    shared::{Plan, Shared},
    store::Table,
};

const PERSISTENT: Option<Kind> = Some(Kind::Persistent);

impl Catalog {
    /// Registers an instance, or changes it and makes `publisher` its owner.
    ///
    /// A connection's earlier instance of the service is removed if it is at another endpoint. A persistent instance is durable
    /// when this returns.
    ///
    /// # Errors
    /// The registration is not valid, the connection has ended, there is no room, or the store failed.
    pub async fn register(
        &self,
        publisher: &Publisher,
        service: &ServiceKey,
        registration: Registration,
    ) -> Result<Registered, Error> {
        if registration.kind.is_ephemeral() {
            return self.register_ephemeral(publisher, service, registration);
        }
        let (by, service) = (self.registrant(publisher)?, service.clone());
        let touches = rows::instance_text(&service, &registration.endpoint);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let registration = registry.kept(&service, registration);
            registry.admits(by.clone(), &service, &registration)?;
            let row = InstanceRow::of(&registration);
            let key = rows::instance_text(&service, &registration.endpoint);
            let before = registry.lookup(&service, &registration.endpoint, PERSISTENT);
            let undo = match before {
                Ok(before) => {
                    let row = InstanceRow::of(&before.registered);
                    rows::put(Table::Instance, key.clone(), &row)?
                }
                Err(_missing) => rows::remove(Table::Instance, key.clone()),
            };
            let rows = vec![rows::put(Table::Instance, key, &row)?];
            let plan = Plan::new(rows, move |shared| {
                let registered = shared.change(|registry, now, effects| {
                    registry.register(by, &service, registration, now, effects)
                });
                registered.map_err(Error::from)
            });
            Ok(plan.undo(undo))
        };
        self.0.durably(touches, plan).await
    }

    /// Registers an ephemeral instance: as [`Catalog::register`], without waiting.
    ///
    /// # Errors
    /// The registration is not valid, the connection has ended, or there is no room.
    pub fn register_ephemeral(
        &self,
        publisher: &Publisher,
        service: &ServiceKey,
        mut registration: Registration,
    ) -> Result<Registered, Error> {
        registration.kind = Kind::Ephemeral;
        if let Some(known) = self.repeated(publisher, service, &registration) {
            return Ok(known);
        }
        self.0.change(|registry, now, effects| {
            let by = self.registrant(publisher)?;
            let registered = registry.register(by, service, registration, now, effects)?;
            // A registration renews the lease that the instance already has, and may request other terms.
            if !effects.granted.contains(&registered.instance)
                && let Some(beats) = registry.leased(registered.instance)
            {
                self.0.leases.grant(registered.instance, beats, now);
            }
            Ok(registered)
        })
    }

    /// Makes these ephemeral instances the only ones of the service that the connection holds. An empty batch removes them all.
    /// Returns the revision of the service.
    ///
    /// # Errors
    /// One of them is not valid, the connection has ended, or there is no room for all. In these cases nothing was changed.
    pub fn batch_register(
        &self,
        connection: ConnectionId,
        service: &ServiceKey,
        mut registrations: Vec<Registration>,
    ) -> Result<u64, Error> {
        for registration in &mut registrations {
            registration.kind = Kind::Ephemeral;
        }
        self.0.change(|registry, now, effects| {
            let by = self.registrant(&Publisher::Connection(connection))?;
            Ok(registry.batch(by, service, registrations, now, effects)?)
        })
    }

    /// Removes the instance at an endpoint, whatever its publisher. Removes the instance of this kind, or the one of the other kind
    /// if there is none. Returns whether there was one. For one beat term, no beat restores a removed ephemeral instance.
    ///
    /// # Errors
    /// The store failed.
    pub async fn deregister(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        kind: Kind,
    ) -> Result<bool, Error> {
        let found = {
            let registry = self.0.registry.read();
            registry
                .lookup(service, endpoint, Some(kind))
                .or_else(|_| registry.lookup(service, endpoint, None))
        };
        let kind = found.map_or(kind, |found| found.registered.kind);
        if kind.is_ephemeral() {
            return Ok(self.0.deregister(service, endpoint, kind));
        }
        let (service, endpoint) = (service.clone(), endpoint.clone());
        let touches = rows::instance_text(&service, &endpoint);
        let plan = move |_: &Shared| {
            let key = rows::instance_text(&service, &endpoint);
            let rows = vec![rows::remove(Table::Instance, key)];
            Ok(Plan::new(rows, move |shared| {
                Ok(shared.deregister(&service, &endpoint, kind))
            }))
        };
        self.0.durably(touches, plan).await
    }

    /// Removes the instances of a service that a connection holds, at any endpoint. Returns their number.
    pub fn withdraw(&self, connection: ConnectionId, service: &ServiceKey) -> usize {
        self.0
            .change(|registry, now, effects| registry.withdraw(connection, service, now, effects))
    }

    /// Changes the registered values of an instance. Without a kind, the ephemeral one has precedence. An operator's override
    /// still takes precedence: see [`Catalog::set_override`].
    ///
    /// # Errors
    /// There is no such instance, the changed one is not valid, or the store failed.
    pub async fn patch(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        kind: Option<Kind>,
        patch: Patch,
    ) -> Result<(), Error> {
        let found = self.instance(service, endpoint, kind)?;
        if matches!(found.publisher, Publisher::Member(_)) {
            return self.patch_of_member(service, found, &patch);
        }
        if found.registered.kind.is_ephemeral() {
            let patched = self
                .0
                .change(|registry, _, effects| registry.patch(found.reference, &patch, effects));
            return patched.map_err(Error::from);
        }
        let (service, endpoint) = (service.clone(), endpoint.clone());
        let touches = rows::instance_text(&service, &endpoint);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let found = registry.lookup(&service, &endpoint, PERSISTENT)?;
            let before = InstanceRow::of(&found.registered);
            let patched = found.registered.patched(&patch);
            registry.admits_patch(found.reference, &patched)?;
            let key = rows::instance_text(&service, &endpoint);
            let undo = rows::put(Table::Instance, key.clone(), &before)?;
            let rows = vec![rows::put(Table::Instance, key, &InstanceRow::of(&patched))?];
            let plan = Plan::new(rows, move |shared| {
                let patched = shared.change(|registry, _, effects| {
                    registry.patch(found.reference, &patch, effects)
                });
                patched.map_err(Error::from)
            });
            Ok(plan.undo(undo))
        };
        self.0.durably(touches, plan).await
    }

    /// Records a beat. `described` is the instance that the beat describes, if any: an unknown one is registered from it,
    /// unless it was deregistered less than a beat term ago.
    ///
    /// # Errors
    /// The instance that the beat describes is not valid, or there is no room.
    pub fn beat(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        described: Option<Registration>,
    ) -> Result<Beat, Error> {
        let now = self.now();
        let (beat_target, has_tombstone) = {
            let registry = self.0.registry.read();
            let beat_target = registry.beat_target(service, endpoint);
            let has_tombstone =
                beat_target.is_none() && registry.has_tombstone(service, endpoint, now);
            if let Some(beat_target) = beat_target.filter(|beat_target| beat_target.is_leased) {
                if beat_target.is_restored {
                    // From now on its own terms apply, instead of the longer ones after a start.
                    self.0
                        .leases
                        .grant(beat_target.instance, beat_target.beats, now);
                } else {
                    self.0.leases.renew(beat_target.instance, now);
                }
            }
            (beat_target, has_tombstone)
        };
        let usual = Duration::from_millis(self.0.switches().client_beat_interval);
        if let Some(beat_target) = beat_target {
            if beat_target.is_of_member {
                self.beat_of_member(service, endpoint, beat_target)?;
            }
            if beat_target.is_leased && (!beat_target.healthy || beat_target.is_restored) {
                self.0.change(|registry, _, effects| {
                    registry.claim(beat_target.instance, effects);
                    registry.charge(beat_target.instance, self.1.map(Peer::address));
                    registry.set_health(beat_target.instance, true, HealthBy::Beat, effects)
                });
            }
            return Ok(Beat::Renewed(beat_target.beats.interval.unwrap_or(usual)));
        }
        let Some(registration) = described.filter(|_| !has_tombstone) else {
            return Ok(if has_tombstone {
                Beat::Deregistered(usual)
            } else {
                Beat::Unknown(usual)
            });
        };
        let interval = registration.metadata.beats().interval.unwrap_or(usual);
        let publisher = registration.endpoint.publisher();
        self.register_ephemeral(&publisher, service, registration)?;
        Ok(Beat::Registered(interval))
    }

    /// The client that registers; a connection is charged to its own peer. For an ephemeral instance, call this under the lock that
    /// the end of a connection also takes, so that no instance outlives its connection.
    pub(super) fn registrant(&self, publisher: &Publisher) -> Result<Registrant, Error> {
        let peer = match publisher {
            Publisher::Connection(id) => {
                let connection = self.0.connections.get(*id);
                connection.ok_or(Invalid::Connection)?.peer()
            }
            Publisher::Address { .. }
            | Publisher::Operator
            | Publisher::Restored
            | Publisher::Member(_) => self.1,
        };
        Ok(Registrant {
            publisher: publisher.clone(),
            peer: peer.map(Peer::address),
        })
    }
}

impl Shared {
    fn deregister(&self, service: &ServiceKey, endpoint: &Endpoint, kind: Kind) -> bool {
        self.change(|registry, now, effects| {
            let beats = registry.beat_target(service, endpoint);
            let term = beats
                .map_or_else(Default::default, |b| b.beats)
                .unhealthy_after;
            let until = now.after(term);
            registry
                .deregister(service, endpoint, kind, (now, until), effects)
                .is_ok()
        })
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Catalog>();
    shared::<Arc<Shared>>();
};
