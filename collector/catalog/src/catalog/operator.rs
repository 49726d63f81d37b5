//! Overrides: the settings of operators on instances.

use std::sync::Arc;

use rollcall_domain::{
    Timestamp,
    catalog::{Checker, Endpoint, HealthBy, Kind, Override, ServiceKey},
};
use rollcall_limits::Peer;

use super::Catalog;
use crate::{
    Conflict, Error,
    rows::{self, InstanceRow, OverrideRow},
    shared::{Plan, Shared},
    store::Table,
};

impl Catalog {
    /// Sets an override for the instances at an endpoint. A value that this override omits keeps its earlier override. An override
    /// takes precedence over registrations. It ends with [`Catalog::clear_override`], or one override term after the last
    /// instance at the endpoint is removed.
    ///
    /// # Errors
    /// There is no instance at the endpoint, or the store failed.
    pub async fn set_override(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        set: Override,
    ) -> Result<(), Error> {
        let at = self.wall();
        self.change_override(service, endpoint, move |before| {
            let mut after = before.map_or_else(|| set.clone(), |before| before.with(&set));
            after.set_at = at;
            after
        })
        .await
    }

    /// Removes the override at an endpoint, even if no instance is left there.
    ///
    /// # Errors
    /// There is neither an override nor an instance at the endpoint, or the store failed.
    pub async fn clear_override(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
    ) -> Result<(), Error> {
        let none = Override::none(Timestamp::from_millis(0));
        self.change_override(service, endpoint, |_| none).await
    }

    /// The overrides of a service, including those without an instance.
    #[must_use]
    pub fn overrides(&self, service: &ServiceKey) -> Vec<(Endpoint, Arc<Override>)> {
        let registry = self.0.registry.read();
        let all = registry.overrides(service);
        all.map(|(endpoint, set)| (endpoint.clone(), Arc::clone(set)))
            .collect()
    }

    /// Sets the health of a persistent instance whose cluster has no probe. Returns whether it changed.
    ///
    /// # Errors
    /// There is no such instance, it is ephemeral or its cluster has a probe ([`Conflict::HealthIsProbed`]), or the store failed.
    pub async fn set_health(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        healthy: bool,
    ) -> Result<bool, Error> {
        let (service, endpoint) = (service.clone(), endpoint.clone());
        let touches = rows::instance_text(&service, &endpoint);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let found = registry.lookup(&service, &endpoint, None)?;
            let settings = registry.settings(&service).unwrap_or_default();
            let cluster = settings.clusters.get(&endpoint.cluster);
            let is_set = cluster.is_some_and(|cluster| cluster.checker == Checker::None);
            if found.registered.kind == Kind::Ephemeral || !is_set {
                return Err(Error::Conflict(Conflict::HealthIsProbed));
            }
            let mut row = InstanceRow::of(&found.registered);
            row.healthy = healthy;
            let key = rows::instance_text(&service, &endpoint);
            let rows = vec![rows::put(Table::Instance, key, &row)?];
            Ok(Plan::new(rows, move |shared| {
                Ok(shared.change(|registry, _, effects| {
                    registry.set_health(found.reference, healthy, HealthBy::Operator, effects)
                }))
            }))
        };
        self.0.durably(touches, plan).await
    }

    async fn change_override(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        change: impl FnOnce(Option<&Override>) -> Override + Send + 'static,
    ) -> Result<(), Error> {
        let (service, endpoint) = (service.clone(), endpoint.clone());
        let peer = self.1.map(Peer::address);
        let touches = rows::instance_text(&service, &endpoint);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let before = registry.overridden(&service, &endpoint);
            let after = change(before.map(|before| &**before));
            let is_removal = after.is_empty() && before.is_some();
            if !is_removal {
                registry.lookup(&service, &endpoint, None)?;
                registry.admits_override(&service, &endpoint, &after, peer)?;
            }
            let key = rows::instance_text(&service, &endpoint);
            // Every collector reads the rows of a shared store. If only this one has the ephemeral instance, its override is not
            // stored.
            let is_local = shared.stores.durable.is_shared()
                && shared.members.is_none()
                && registry
                    .lookup(&service, &endpoint, Some(Kind::Persistent))
                    .is_err();
            let row = |set: Option<&Override>| match set.filter(|set| !set.is_empty()) {
                Some(set) => rows::put(Table::Override, key.clone(), &OverrideRow::of(set)),
                None => Ok(rows::remove(Table::Override, key.clone())),
            };
            let (row, undo) = (row(Some(&after))?, row(before.map(|before| &**before))?);
            let rows = if is_local { Vec::new() } else { vec![row] };
            let plan = Plan::new(rows, move |shared| {
                shared.change(|registry, _, effects| {
                    // Overrides of other instances may have taken the room since the plan.
                    if !is_removal {
                        registry.admits_override(&service, &endpoint, &after, peer)?;
                    }
                    registry.set_override(&service, &endpoint, after, effects)?;
                    if !is_removal {
                        registry.charge_service(&service, peer);
                    }
                    Ok(())
                })
            });
            Ok(if is_local { plan } else { plan.undo(undo) })
        };
        self.0.durably(touches, plan).await
    }
}
