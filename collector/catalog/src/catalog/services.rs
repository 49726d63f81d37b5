//! Services and their clusters, for operators and maintenance clients.

use rollcall_domain::catalog::{Cluster, Full, ServiceKey, Settings};
use rollcall_limits::Peer;

use super::Catalog;
use crate::{
    Conflict, Error, NotFound,
    rows::{self, OverrideRow, ServiceRow},
    shared::{Plan, Shared},
    store::Table,
};

impl Catalog {
    /// Creates a service, which stays until it is deleted, even without instances. A service that has instances counts as existing.
    ///
    /// # Errors
    /// It exists, there is no room, or the store failed.
    pub async fn create_service(&self, key: &ServiceKey, settings: Settings) -> Result<(), Error> {
        self.set_service(key, move |existing| match existing {
            Some(_) => Err(Error::Conflict(Conflict::ServiceExists)),
            None => Ok(settings),
        })
        .await
    }

    /// Changes the settings of an existing service; its clusters stay unless `update` changes them.
    ///
    /// # Errors
    /// It does not exist, its metadata is too large, or the store failed.
    pub async fn update_service(
        &self,
        key: &ServiceKey,
        update: impl FnOnce(&mut Settings) + Send + 'static,
    ) -> Result<(), Error> {
        self.set_service(key, move |existing| {
            let mut settings = existing.ok_or(Error::NotFound(NotFound::Service))?;
            update(&mut settings);
            Ok(settings)
        })
        .await
    }

    /// Sets the settings of a cluster of an existing service. A new cluster is created.
    ///
    /// # Errors
    /// As [`Catalog::update_service`].
    pub async fn update_cluster(&self, key: &ServiceKey, cluster: Cluster) -> Result<(), Error> {
        self.update_service(key, move |settings| {
            settings.clusters.insert(cluster.name.clone(), cluster);
        })
        .await
    }

    /// Deletes a service that has no instances.
    ///
    /// # Errors
    /// It does not exist, it has instances, or the store failed.
    pub async fn delete_service(&self, key: &ServiceKey) -> Result<(), Error> {
        let key = key.clone();
        let touches = rows::service_text(&key);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let detail = registry.detail(&key);
            let detail = detail.ok_or(Error::NotFound(NotFound::Service))?;
            if detail.instances > 0 {
                return Err(Error::Conflict(Conflict::ServiceNotEmpty));
            }
            let mut rows = vec![rows::remove(Table::Service, rows::service_text(&key))];
            // If an instance is registered before the plan is applied, the service stays, and so do its rows.
            let mut undo = Vec::new();
            if detail.is_explicit {
                let row = ServiceRow::of(&detail.settings);
                undo.push(rows::put(Table::Service, rows::service_text(&key), &row)?);
            }
            for (endpoint, set) in registry.overrides(&key) {
                let text = rows::instance_text(&key, endpoint);
                undo.push(rows::put(
                    Table::Override,
                    text.clone(),
                    &OverrideRow::of(set),
                )?);
                rows.push(rows::remove(Table::Override, text));
            }
            let plan = Plan::new(rows, move |shared| {
                let removed =
                    shared.change(|registry, _, effects| registry.remove_service(&key, effects));
                removed.map_err(Error::from)
            });
            Ok(undo.into_iter().fold(plan, Plan::undo))
        };
        self.0.durably(touches, plan).await
    }

    async fn set_service(
        &self,
        key: &ServiceKey,
        update: impl FnOnce(Option<Settings>) -> Result<Settings, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let key = key.clone();
        let peer = self.1.map(Peer::address);
        let touches = rows::service_text(&key);
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            let settings = update(registry.settings(&key))?;
            registry.admits_settings(&key, &settings, peer)?;
            let row = ServiceRow::of(&settings);
            let text = rows::service_text(&key);
            let before = registry.detail(&key).filter(|detail| detail.is_explicit);
            let undo = match before {
                Some(before) => {
                    let row = ServiceRow::of(&before.settings);
                    rows::put(Table::Service, text.clone(), &row)?
                }
                None => rows::remove(Table::Service, text.clone()),
            };
            let rows = vec![rows::put(Table::Service, text, &row)?];
            let plan = Plan::new(rows, move |shared| {
                let set = shared.change(|registry, now, effects| {
                    // Other changes may have taken the room since the plan.
                    registry.admits_settings(&key, &settings, peer)?;
                    registry.set_service(&key, settings, now, effects)?;
                    registry.charge_service(&key, peer);
                    Ok::<_, Full>(())
                });
                set.map_err(Error::from)
            });
            Ok(plan.undo(undo))
        };
        self.0.durably(touches, plan).await
    }
}
