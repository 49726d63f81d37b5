//! Look-ups and listings.

use std::{
    collections::BTreeSet,
    ops::Bound::{self, Excluded, Included, Unbounded},
    sync::Arc,
};

use super::{
    super::{
        Beats, Cluster, Endpoint, Instance, InstanceRef, Kind, Publisher, Selection, ServiceDetail,
        ServiceKey, ServiceView, Settings, Summary, select, selection::share,
    },
    Missing, Owner, Registry, Service,
};
use crate::{Moment, Timestamp};

/// The instance that a beat belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeatTarget {
    /// The instance at the endpoint.
    pub instance: InstanceRef,
    /// The kind of the instance.
    pub kind: Kind,
    /// Whether the instance is healthy now.
    pub healthy: bool,
    /// Whether it needs beats; a connection's instance lives as long as its connection.
    pub is_leased: bool,
    /// Whether it was restored from an earlier run, and no client has registered it since.
    pub is_restored: bool,
    /// Whether another member has it, which needs its beats.
    pub is_of_member: bool,
    /// The beat terms with which the instance registered.
    pub beats: Beats,
}

impl Registry {
    /// The revision of a service; 0 if it is unknown.
    #[must_use]
    pub fn revision(&self, key: &ServiceKey) -> u64 {
        self.revision_of(key)
    }

    /// The time for an answer about a service: `wall`, or a later time, so that times never decrease and two revisions never
    /// have the same time.
    #[must_use]
    pub fn stamp(&self, key: &ServiceKey, wall: Timestamp) -> Timestamp {
        let Some((_, service)) = self.service(key) else {
            return wall;
        };
        let mut last = service.stamp.lock();
        let (revision, at) = *last;
        let next = if revision == service.revision {
            at
        } else {
            at + 1
        };
        let stamp = wall.millis().max(next);
        *last = (service.revision, stamp);
        Timestamp::from_millis(stamp)
    }

    /// Whether a service is known.
    #[must_use]
    pub fn contains(&self, key: &ServiceKey) -> bool {
        self.ids.contains_key(key)
    }

    /// The instance that a beat at an endpoint belongs to; the ephemeral one if there are two.
    #[must_use]
    pub fn beat_target(&self, key: &ServiceKey, endpoint: &Endpoint) -> Option<BeatTarget> {
        let (_, service) = self.service(key)?;
        let index = Kind::ALL
            .iter()
            .find_map(|kind| self.find(service, endpoint, *kind))?;
        let record = self.records.at(index)?;
        Some(BeatTarget {
            instance: self.records.reference(index)?,
            kind: record.kind,
            healthy: record.healthy,
            is_leased: record.is_leased(),
            is_restored: record.owner == Owner::Restored,
            is_of_member: record.owner == Owner::Member,
            beats: record.metadata.beats(),
        })
    }

    /// Whether the instance at an endpoint was deregistered less than a term ago.
    #[must_use]
    pub fn has_tombstone(&self, key: &ServiceKey, endpoint: &Endpoint, now: Moment) -> bool {
        self.tombstones.has_tombstone(key, endpoint, now)
    }

    /// The instance at an endpoint. Without a kind, the ephemeral one has precedence.
    ///
    /// # Errors
    /// There is no such service, or no such instance in it.
    pub fn lookup(
        &self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        kind: Option<Kind>,
    ) -> Result<Instance, Missing> {
        let (_, service) = self.service(key).ok_or(Missing::Service)?;
        Kind::ALL
            .iter()
            .filter(|k| kind.is_none_or(|kind| kind == **k))
            .find_map(|kind| self.find(service, endpoint, *kind))
            .and_then(|index| self.instance_at(index))
            .ok_or(Missing::Instance)
    }

    /// The instance of a reference, unless it was removed.
    #[must_use]
    pub fn instance(&self, instance: InstanceRef) -> Option<Instance> {
        self.records.get(instance)?;
        self.instance_at(instance.index)
    }

    /// The instance in a slot ([`InstanceRef::number`]).
    #[must_use]
    pub fn in_slot(&self, slot: u32) -> Option<InstanceRef> {
        self.records.at(slot)?;
        self.records.reference(slot)
    }

    /// The beat terms of an instance that needs beats; `None` for others.
    #[must_use]
    pub fn leased(&self, instance: InstanceRef) -> Option<Beats> {
        let record = self.records.get(instance)?;
        record.is_leased().then(|| record.metadata.beats())
    }

    /// The service of an instance.
    #[must_use]
    pub fn service_of(&self, instance: InstanceRef) -> Option<&ServiceKey> {
        let record = self.records.get(instance)?;
        Some(&self.services.at(record.service)?.key)
    }

    /// All instances of a service with their true state, ordered by endpoint; `None` for an unknown service.
    #[must_use]
    pub fn instances(&self, key: &ServiceKey) -> Option<Vec<Instance>> {
        self.instances_from(key, 0, usize::MAX)
    }

    /// As [`Registry::instances`], but at most `limit` instances, starting at position `from`. The time depends on `limit` alone.
    #[must_use]
    pub fn instances_from(
        &self,
        key: &ServiceKey,
        from: usize,
        limit: usize,
    ) -> Option<Vec<Instance>> {
        let (_, service) = self.service(key)?;
        let members = service.members.iter().skip(from).take(limit);
        let instances = members.filter_map(|index| self.instance_at(*index));
        Some(instances.collect())
    }

    /// The service as a consumer sees it.
    #[must_use]
    pub fn view(&self, key: &ServiceKey, selection: &Selection) -> ServiceView {
        let mut view = ServiceView {
            key: key.clone(),
            exists: false,
            revision: 0,
            clusters: selection.clusters.clone(),
            hosts: Vec::new(),
            reach_protection_threshold: false,
            protect_threshold: 0.0,
            metadata: Arc::default(),
        };
        let Some((_, service)) = self.service(key) else {
            return view;
        };
        view.exists = true;
        view.revision = service.revision;
        let mut selector = None;
        if let Some(settings) = &service.settings {
            view.protect_threshold = settings.protect_threshold;
            view.metadata = Arc::clone(&settings.metadata);
            selector = settings.selector.as_ref();
        }
        let members = self.members(service);
        (view.hosts, view.reach_protection_threshold) =
            select(members, selection, view.protect_threshold, selector);
        view
    }

    /// A service with all its settings.
    #[must_use]
    pub fn detail(&self, key: &ServiceKey) -> Option<ServiceDetail> {
        let (_, service) = self.service(key)?;
        let settings = service.settings.as_deref().cloned().unwrap_or_default();
        let mut clusters = settings.clusters.clone();
        for record in service.members.iter().filter_map(|at| self.records.at(*at)) {
            let name = &record.endpoint.cluster;
            if !clusters.contains_key(name) {
                clusters.insert(Arc::clone(name), Cluster::new(Arc::clone(name)));
            }
        }
        let first = service.members.first().and_then(|at| self.records.at(*at));
        Some(ServiceDetail {
            key: service.key.clone(),
            revision: service.revision,
            is_explicit: service.is_explicit,
            clusters: clusters.into_values().collect(),
            kind: first.map(|record| record.kind),
            instances: service.members.len(),
            healthy: service.healthy,
            settings,
        })
    }

    /// The settings of a service.
    #[must_use]
    pub fn settings(&self, key: &ServiceKey) -> Option<Settings> {
        let (_, service) = self.service(key)?;
        Some(service.settings.as_deref().cloned().unwrap_or_default())
    }

    /// The settings of a cluster of a service, if an operator has set any.
    #[must_use]
    pub fn cluster(&self, key: &ServiceKey, name: &str) -> Option<Cluster> {
        let (_, service) = self.service(key)?;
        service.settings.as_ref()?.clusters.get(name).cloned()
    }

    /// A service for a listing.
    #[must_use]
    pub fn summary(&self, key: &ServiceKey) -> Option<Summary> {
        let (_, service) = self.service(key)?;
        let settings = service.settings.as_deref();
        let configured = settings
            .into_iter()
            .flat_map(|settings| settings.clusters.keys());
        let members = service.members.iter().filter_map(|at| self.records.at(*at));
        let used = members.map(|record| &record.endpoint.cluster);
        let clusters: BTreeSet<&Arc<str>> = configured.chain(used).collect();
        let threshold = settings.map_or(0.0, |settings| settings.protect_threshold);
        let share = share(service.healthy, service.members.len());
        Some(Summary {
            key: service.key.clone(),
            clusters: clusters.len(),
            instances: service.members.len(),
            healthy: service.healthy,
            is_threshold_reached: share <= threshold && !service.members.is_empty(),
            metadata: settings
                .map(|settings| Arc::clone(&settings.metadata))
                .unwrap_or_default(),
        })
    }

    /// Keys of the services of a namespace, optionally of one group, in order, optionally after a key.
    pub fn keys<'a>(
        &'a self,
        namespace: &str,
        group: Option<&str>,
        after: Option<&ServiceKey>,
    ) -> impl Iterator<Item = &'a ServiceKey> + use<'a> {
        let prefix = ServiceKey::prefix(namespace, group);
        let from: Bound<&str> = match after {
            Some(after) if after.text() >= prefix.as_str() => Excluded(after.text()),
            _ => Included(prefix.as_str()),
        };
        let range = self.order.range::<str, _>((from, Unbounded));
        range
            .map(|(key, _)| key)
            .take_while(move |key| key.text().starts_with(&prefix))
    }

    /// Keys of all services in order, optionally after a key.
    pub fn all_keys<'a>(
        &'a self,
        after: Option<&ServiceKey>,
    ) -> impl Iterator<Item = &'a ServiceKey> + use<'a> {
        let from: Bound<&str> = after.map_or(Unbounded, |after| Excluded(after.text()));
        let range = self.order.range::<str, _>((from, Unbounded));
        range.map(|(key, _)| key)
    }

    /// The instances that a publisher holds, of all services.
    pub fn published_by(&self, publisher: &Publisher) -> Vec<(ServiceKey, Instance)> {
        let published = self.published.get(publisher);
        let items = published.map_or_else(Vec::new, |published| published.first(usize::MAX));
        let found = items.into_iter().filter_map(|(service, index)| {
            let key = self.services.at(service)?.key.clone();
            Some((key, self.instance_at(index)?))
        });
        found.collect()
    }

    /// The publishers that hold an instance, in no order.
    pub fn publishers(&self) -> impl Iterator<Item = &Publisher> {
        self.published.keys()
    }

    pub(super) fn instance_at(&self, index: u32) -> Option<Instance> {
        let record = self.records.at(index)?;
        let service = self.services.at(record.service)?;
        Some(record.instance(self.records.reference(index)?, service))
    }

    fn members<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = Instance> + 'a {
        let members = service.members.iter();
        members.filter_map(|index| {
            let record = self.records.at(*index)?;
            Some(record.instance(self.records.reference(*index)?, service))
        })
    }

    /// Whether an instance was restored from an earlier run and no client has registered it since.
    #[must_use]
    pub fn is_restored(&self, instance: InstanceRef) -> bool {
        let record = self.records.get(instance);
        record.is_some_and(|record| record.owner == Owner::Restored)
    }
}
