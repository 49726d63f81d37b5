//! Calls about instances that another collector has.

use std::sync::Arc;

use rollcall_domain::catalog::{
    BeatTarget, Endpoint, Instance, InstanceRef, Patch, Publisher, Registered, Registration,
    ServiceKey,
};

use super::Catalog;
use crate::{Conflict, Error, members::state::Members};

/// The member that owns an instance.
struct OtherOwner<'a> {
    members: &'a Members,
    member: Arc<str>,
    needs_beats: bool,
}

impl Catalog {
    /// A beat of an instance that another member owns: relays the beat to the owner, or takes the instance over if the owner has
    /// left the cluster.
    pub(super) fn beat_of_member(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        target: BeatTarget,
    ) -> Result<(), Error> {
        let Some(owner) = self.other_owner(service, endpoint) else {
            return Ok(());
        };
        if !owner.needs_beats {
            return Ok(());
        }
        if !owner.members.is_absent(&owner.member) {
            let at = (service, endpoint);
            let term = target.beats.unhealthy_after;
            owner.members.relay(at, term, !target.healthy, self.now());
            return Ok(());
        }
        self.take_over(service, target.instance, |registered| Registration {
            healthy: true,
            ..registered
        })
    }

    /// A registration without a connection that repeats what another member has is a beat: clients of 1.x send it to any collector.
    pub(super) fn repeated(
        &self,
        publisher: &Publisher,
        service: &ServiceKey,
        registration: &Registration,
    ) -> Option<Registered> {
        if self.0.members.is_none() || !matches!(publisher, Publisher::Address { .. }) {
            return None;
        }
        let endpoint = &registration.endpoint;
        let owner = self.other_owner(service, endpoint)?;
        if !owner.needs_beats || owner.members.is_absent(&owner.member) {
            return None;
        }
        let registry = self.0.registry.read();
        let found = registry.lookup(service, endpoint, Some(registration.kind));
        let found = found.ok()?;
        let mut same = registry.kept(service, registration.clone());
        same.healthy = found.registered.healthy;
        if same != found.registered || !registration.healthy {
            return None;
        }
        let revision = registry.revision(service);
        drop(registry);
        let is_urgent = !found.registered.healthy;
        let term = found.registered.metadata.beats().unhealthy_after;
        let at = (service, endpoint);
        owner.members.relay(at, term, is_urgent, self.now());
        Some(Registered {
            instance: found.reference,
            revision,
            is_new: false,
        })
    }

    /// Changes an instance of another member by taking it over. That of a connection stays with the connection.
    pub(super) fn patch_of_member(
        &self,
        service: &ServiceKey,
        found: Instance,
        patch: &Patch,
    ) -> Result<(), Error> {
        let owner = self.other_owner(service, &found.registered.endpoint);
        if owner.is_none_or(|owner| !owner.needs_beats) {
            return Err(Error::Conflict(Conflict::IsElsewhere));
        }
        let patched = |registered: Registration| registered.patched(patch);
        self.take_over(service, found.reference, patched)
    }

    /// Registers an instance at this collector, if another one still has it.
    fn take_over(
        &self,
        service: &ServiceKey,
        instance: InstanceRef,
        change: impl FnOnce(Registration) -> Registration,
    ) -> Result<(), Error> {
        self.0.change(|registry, now, effects| {
            let found = registry.instance(instance);
            let Some(found) = found.filter(|_| registry.is_of_member(instance)) else {
                return Ok(());
            };
            let by = self.registrant(&found.registered.endpoint.publisher())?;
            registry.register(by, service, change(found.registered), now, effects)?;
            Ok(())
        })
    }

    /// The other member that owns an instance; `None` if none does.
    fn other_owner(&self, service: &ServiceKey, endpoint: &Endpoint) -> Option<OtherOwner<'_>> {
        let members = self.0.members.as_ref()?;
        let registry = self.0.registry.read();
        let place = (service.clone(), endpoint.clone());
        let (member, needs_beats) = registry.shown_member(&place)?;
        Some(OtherOwner {
            members,
            member: Arc::clone(member),
            needs_beats,
        })
    }
}
