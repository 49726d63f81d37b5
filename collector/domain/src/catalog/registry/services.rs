//! Services, their settings, and the overrides on their instances.

use std::{net::IpAddr, sync::Arc};

use super::{
    super::{
        Effects, Endpoint, EventKind, Full, Kind, Override, Resource, ServiceKey, Settings, cost,
    },
    Missing, Registry,
    apply::differs,
    record::Service,
    shares::Payer,
};
use crate::Moment;

/// The reason why a service is not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRemoved {
    /// The service is not known.
    Missing,
    /// It has instances.
    NotEmpty,
}

impl Registry {
    /// Sets the settings of a service, and creates it if it is unknown. It then stays even without instances. Only
    /// [`Registry::admits_settings`] checks the room for the settings, so that stored settings are restored whatever their size.
    ///
    /// # Errors
    /// There is no room for another service, or its metadata is too large.
    pub fn set_service(
        &mut self,
        key: &ServiceKey,
        settings: Settings,
        now: Moment,
        effects: &mut Effects,
    ) -> Result<(), Full> {
        let bytes = settings.metadata.bytes();
        Full::check(Resource::MetadataBytes, bytes, self.limits.metadata_bytes)?;
        let (id, is_new) = self.service_or_new(key, now)?;
        if is_new {
            effects.appeared.push(key.clone());
        }
        let Some(service) = self.services.at_mut(id) else {
            return Ok(());
        };
        service.is_explicit = true;
        let changed = service.settings.as_deref() != Some(&settings);
        if changed {
            let (before, after) = (service.settings_cost(), cost::settings(&settings));
            self.counts.bytes = (self.counts.bytes + after).saturating_sub(before);
            self.shares.resize(service.payer, before, after);
            service.settings = Some(Box::new(settings));
        }
        if changed || is_new {
            self.touch(id, effects);
        }
        Ok(())
    }

    /// Checks whether there is room for these settings of a service that `peer` sets. The share that the service is charged to
    /// limits them: that of `peer` for a service that is new or charged to no peer. Without a peer no share limits them.
    ///
    /// # Errors
    /// As [`Registry::set_service`].
    pub fn admits_settings(
        &self,
        key: &ServiceKey,
        settings: &Settings,
        peer: Option<IpAddr>,
    ) -> Result<(), Full> {
        let bytes = settings.metadata.bytes();
        Full::check(Resource::MetadataBytes, bytes, self.limits.metadata_bytes)?;
        let cost = cost::settings(settings);
        let Some((_, service)) = self.service(key) else {
            let limit = self.limits.services;
            Full::check(Resource::Services, self.ids.len() + 1, limit)?;
            let bytes = Service::base_cost(key) + cost;
            self.share_in_services(peer)?;
            self.share_in_bytes(peer, bytes)?;
            return self.room_in_bytes(bytes);
        };
        let added = cost.saturating_sub(service.settings_cost());
        if service.payer == Payer::default() {
            self.share_in_bytes(peer, added)?;
        } else if peer.is_some() {
            self.share_of_payer(service.payer, added)?;
        }
        self.room_in_bytes(added)
    }

    /// Checks whether there is room for this override. [`Registry::set_override`] does not check it. If a peer sets it, the share
    /// that the service is charged to limits it: that of `peer` for a service that is charged to no peer.
    ///
    /// # Errors
    /// There is no room.
    pub fn admits_override(
        &self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        set: &Override,
        peer: Option<IpAddr>,
    ) -> Result<(), Full> {
        let before = self.overridden(key, endpoint);
        let before = before.map_or(0, |before| cost::overridden(endpoint, before));
        let added = cost::overridden(endpoint, set).saturating_sub(before);
        match self.service(key) {
            Some((_, service)) if service.payer != Payer::default() && peer.is_some() => {
                self.share_of_payer(service.payer, added)?;
            }
            Some((_, service)) if service.payer == Payer::default() => {
                self.share_in_bytes(peer, added)?;
            }
            _ => {}
        }
        self.room_in_bytes(added)
    }

    /// Removes a service without instances, with all its settings.
    ///
    /// # Errors
    /// It is not known, or it has instances.
    pub fn remove_service(
        &mut self,
        key: &ServiceKey,
        effects: &mut Effects,
    ) -> Result<(), NotRemoved> {
        let (id, service) = self.service(key).ok_or(NotRemoved::Missing)?;
        if !service.members.is_empty() {
            return Err(NotRemoved::NotEmpty);
        }
        let (cost, payer, share) = (service.cost(), service.payer, service.share());
        let overrides = service.overrides.len();
        let queued = (service.empty_since, id);
        let orphans = service.overrides.iter();
        let orphans = orphans.filter_map(|(at, set)| Some((set.ends_at?, id, at.clone())));
        for orphan in orphans.collect::<Vec<_>>() {
            self.orphans.remove(&orphan);
        }
        self.empty.remove(&queued);
        self.shares.release(payer, share);
        self.counts.bytes = self.counts.bytes.saturating_sub(cost);
        self.counts.overrides -= overrides;
        self.services.remove(id);
        self.ids.remove(key);
        self.order.remove(key);
        effects.vanished.push(key.clone());
        Ok(())
    }

    /// Removes the settings of a service, and the service itself if it has no instances. One with instances stays until they are
    /// gone, like a service that was never created explicitly.
    pub fn unset_service(&mut self, key: &ServiceKey, effects: &mut Effects) {
        if self.remove_service(key, effects) != Err(NotRemoved::NotEmpty) {
            return;
        }
        let Some((id, _)) = self.service(key) else {
            return;
        };
        if let Some(service) = self.services.at_mut(id) {
            service.is_explicit = false;
            let before = service.settings_cost();
            service.settings = None;
            self.shares.resize(service.payer, before, 0);
            self.counts.bytes = self.counts.bytes.saturating_sub(before);
        }
        self.touch(id, effects);
    }

    /// Sets the override at an endpoint. An empty override removes it, even if the instance has ended.
    ///
    /// # Errors
    /// The service has no instance at the endpoint, and no override that could be removed.
    pub fn set_override(
        &mut self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        set: Override,
        effects: &mut Effects,
    ) -> Result<(), Missing> {
        let (id, service) = self.service(key).ok_or(Missing::Service)?;
        let at: Vec<u32> = Kind::ALL
            .iter()
            .filter_map(|kind| self.find(service, endpoint, *kind))
            .collect();
        let is_removal = set.is_empty() && service.overridden(endpoint).is_some();
        if at.is_empty() && !is_removal {
            return Err(Missing::Instance);
        }
        let is_same = match service.overridden(endpoint) {
            Some(before) => **before == set,
            None => set.is_empty(),
        };
        if is_same {
            return Ok(());
        }
        let before: Vec<_> = at.iter().filter_map(|at| self.instance_at(*at)).collect();
        self.put_override(id, endpoint, set);
        let after: Vec<_> = at.iter().filter_map(|at| self.instance_at(*at)).collect();
        for index in at {
            if let Some(record) = self.records.at(index) {
                self.report(id, record, EventKind::Overridden, effects);
            }
        }
        if before
            .iter()
            .zip(&after)
            .any(|(before, after)| differs(before, after))
        {
            self.touch(id, effects);
        }
        Ok(())
    }

    /// Restores a stored override, whether or not there is an instance at its endpoint.
    ///
    /// # Errors
    /// There is no room for its service.
    pub fn restore_override(
        &mut self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        set: Override,
        now: Moment,
    ) -> Result<(), Full> {
        let (id, _is_new) = self.service_or_new(key, now)?;
        self.put_override(id, endpoint, set);
        self.orphan_override(id, endpoint, now);
        Ok(())
    }

    /// The override at an endpoint.
    #[must_use]
    pub fn overridden(&self, key: &ServiceKey, endpoint: &Endpoint) -> Option<&Arc<Override>> {
        self.service(key)?.1.overridden(endpoint)
    }

    /// All overrides of a service, including those without an instance, in the order of their endpoints.
    pub fn overrides(&self, key: &ServiceKey) -> impl Iterator<Item = (&Endpoint, &Arc<Override>)> {
        let service = self.service(key).map(|(_, service)| service);
        service.into_iter().flat_map(|service| &service.overrides)
    }

    fn put_override(&mut self, service: u32, endpoint: &Endpoint, mut set: Override) {
        self.end_override_at(service, endpoint, None);
        set.ends_at = None;
        let endpoint = self.share(endpoint);
        let Some(service) = self.services.at_mut(service) else {
            return;
        };
        let (payer, overrides) = (service.payer, &mut service.overrides);
        let added = cost::overridden(&endpoint, &set);
        let before = if set.is_empty() {
            overrides.remove(&endpoint)
        } else {
            self.counts.overrides += 1;
            overrides.insert(endpoint.clone(), Arc::new(set))
        };
        let removed = before
            .as_deref()
            .map_or(0, |before| cost::overridden(&endpoint, before));
        self.counts.overrides -= usize::from(before.is_some());
        self.shares.resize(payer, removed, added);
        self.counts.bytes = (self.counts.bytes + added).saturating_sub(removed);
    }

    /// Keeps the override of an endpoint that has an instance again.
    pub(super) fn adopt_override(&mut self, service: u32, endpoint: &Endpoint) {
        self.end_override_at(service, endpoint, None);
    }

    /// Starts the term of an override whose endpoint has no instance.
    pub(super) fn orphan_override(&mut self, service: u32, endpoint: &Endpoint, now: Moment) {
        let Some(found) = self.services.at(service) else {
            return;
        };
        let has_instance = Kind::ALL
            .iter()
            .any(|kind| self.find(found, endpoint, *kind).is_some());
        if has_instance || found.overridden(endpoint).is_none() {
            return;
        }
        let ends_at = now.after(self.override_term);
        self.end_override_at(service, endpoint, Some(ends_at));
    }

    /// Sets when an override ends, and queues it for that time.
    fn end_override_at(&mut self, id: u32, endpoint: &Endpoint, at: Option<Moment>) {
        let service = self.services.at_mut(id);
        let set = service.and_then(|service| service.overrides.get_mut(endpoint));
        let Some(set) = set.filter(|set| set.ends_at != at) else {
            return;
        };
        if let Some(before) = set.ends_at {
            self.orphans.remove(&(before, id, endpoint.clone()));
        }
        Arc::make_mut(set).ends_at = at;
        if let Some(at) = at {
            self.orphans.insert((at, id, endpoint.clone()));
        }
    }

    /// Removes an override whose term has ended. Returns the key of its service.
    pub(super) fn end_override(&mut self, service: u32, endpoint: &Endpoint) -> Option<ServiceKey> {
        let none = Override::none(crate::Timestamp::from_millis(0));
        self.put_override(service, endpoint, none);
        Some(self.services.at(service)?.key.clone())
    }
}
