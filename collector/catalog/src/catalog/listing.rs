//! Listings of services.
//!
//! A listing reads every service of a namespace, and there may be a million. It holds the lock of the catalog for a bounded
//! part at a time and lets other tasks run in between, and only a few listings run at the same time. So a listing delays a
//! registration by one part, however many clients list.

use std::{cell::Cell, ops::ControlFlow};

use rollcall_domain::catalog::{Instance, Registry, ServiceCounts, ServiceKey, Summary};

use super::{Catalog, Page};
use crate::Error;

/// The size of a part: services and instances that a listing reads while the catalog is locked. One service is read as a
/// whole.
const PART: usize = 512;

impl Catalog {
    /// At most `limit` services of a namespace, or of one of its groups if it is given, in order, starting at position `offset`.
    /// Services that appear or vanish during the listing may or may not be counted.
    ///
    /// # Errors
    /// The catalog is loading.
    pub async fn services(
        &self,
        namespace: &str,
        group: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> Result<Page<ServiceKey>, Error> {
        self.services_where(namespace, group, (offset, limit), |_| true)
            .await
    }

    /// As [`Catalog::services`], but only those that a filter keeps.
    ///
    /// # Errors
    /// The catalog is loading.
    pub async fn services_where(
        &self,
        namespace: &str,
        group: Option<&str>,
        (offset, limit): (usize, usize),
        mut keeps: impl FnMut(&Listed<'_>) -> bool + Send,
    ) -> Result<Page<ServiceKey>, Error> {
        let mut page = Page {
            items: Vec::new(),
            total: 0,
        };
        self.list(Some((namespace, group)), |listed| {
            if keeps(listed) {
                if page.total >= offset && page.items.len() < limit {
                    page.items.push(listed.key.clone());
                }
                page.total += 1;
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(page)
    }

    /// At most `limit` services of a namespace that a filter keeps: the first ones. It stops reading once it has found them.
    ///
    /// # Errors
    /// The catalog is loading.
    pub async fn first_services_where(
        &self,
        namespace: &str,
        limit: usize,
        mut keeps: impl FnMut(&Listed<'_>) -> bool + Send,
    ) -> Result<Vec<ServiceKey>, Error> {
        let mut found = Vec::new();
        self.list(Some((namespace, None)), |listed| {
            if found.len() == limit {
                return ControlFlow::Break(());
            }
            if keeps(listed) {
                found.push(listed.key.clone());
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(found)
    }

    /// The first services of all namespaces in order, at most `limit`.
    ///
    /// # Errors
    /// The catalog is loading.
    pub async fn all_services(&self, limit: usize) -> Result<Vec<ServiceKey>, Error> {
        let mut found = Vec::new();
        self.list(None, |listed| {
            if found.len() == limit {
                return ControlFlow::Break(());
            }
            found.push(listed.key.clone());
            ControlFlow::Continue(())
        })
        .await?;
        Ok(found)
    }

    /// The services that a filter keeps, of a namespace or of all, in order, optionally after one of them: at most `limit`.
    ///
    /// # Errors
    /// The catalog is loading.
    pub async fn services_after(
        &self,
        namespace: Option<&str>,
        after: Option<ServiceKey>,
        limit: usize,
        mut keeps: impl FnMut(&Listed<'_>) -> bool + Send,
    ) -> Result<Vec<ServiceKey>, Error> {
        let mut found = Vec::new();
        let place = namespace.map(|namespace| (namespace, None));
        self.list_after(place, after, |listed| {
            if found.len() == limit {
                return ControlFlow::Break(());
            }
            if keeps(listed) {
                found.push(listed.key.clone());
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(found)
    }

    /// The first services of all namespaces in order with their counts, at most `limit`. It does not wait for a permit, and
    /// releases the lock after each part.
    #[must_use]
    pub fn first_counted(&self, limit: usize) -> Vec<(ServiceKey, ServiceCounts)> {
        let mut found: Vec<(ServiceKey, ServiceCounts)> = Vec::new();
        loop {
            let registry = self.0.registry.read();
            let after = found.last().map(|(key, _)| key);
            let part = registry.counted(after).take(PART.min(limit - found.len()));
            let part: Vec<_> = part.map(|(key, counts)| (key.clone(), counts)).collect();
            if part.is_empty() {
                return found;
            }
            found.extend(part);
        }
    }

    /// Visits the services of a namespace and group, or all, in order, part by part.
    async fn list(
        &self,
        place: Option<(&str, Option<&str>)>,
        visit: impl FnMut(&Listed<'_>) -> ControlFlow<()> + Send,
    ) -> Result<(), Error> {
        self.list_after(place, None, visit).await
    }

    /// As [`Catalog::list`], after one of the services.
    async fn list_after(
        &self,
        place: Option<(&str, Option<&str>)>,
        mut after: Option<ServiceKey>,
        mut visit: impl FnMut(&Listed<'_>) -> ControlFlow<()> + Send,
    ) -> Result<(), Error> {
        self.complete()?;
        let turn = self.0.listings.acquire().await;
        let _turn = turn.map_err(|_closed| Error::Stopped)?;
        loop {
            after = match self.list_part(place, after.as_ref(), &mut visit) {
                ControlFlow::Continue(last) => Some(last),
                ControlFlow::Break(()) => return Ok(()),
            };
            tokio::task::yield_now().await;
        }
    }

    /// Visits one part and returns its last service. Breaks at the end of the list.
    fn list_part(
        &self,
        place: Option<(&str, Option<&str>)>,
        after: Option<&ServiceKey>,
        visit: &mut impl FnMut(&Listed<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<(), ServiceKey> {
        let registry = self.0.registry.read();
        let (in_place, all) = match place {
            Some((namespace, group)) => (Some(registry.keys(namespace, group, after)), None),
            None => (None, Some(registry.all_keys(after))),
        };
        let keys = in_place.into_iter().flatten();
        let looked_at = Cell::new(0);
        for key in keys.chain(all.into_iter().flatten()) {
            visit(&Listed {
                key,
                registry: &registry,
                looked_at: &looked_at,
            })?;
            looked_at.update(|count| count + 1);
            if looked_at.get() >= PART {
                return ControlFlow::Continue(key.clone());
            }
        }
        ControlFlow::Break(())
    }
}

/// A service that a listing's filter reads. The catalog is locked meanwhile, so the filter must not call it.
#[derive(Debug)]
pub struct Listed<'a> {
    /// The service.
    pub key: &'a ServiceKey,
    registry: &'a Registry,
    looked_at: &'a Cell<usize>,
}

impl Listed<'_> {
    /// The summary of the service, as a listing shows it.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let summary = self.registry.summary(self.key);
        self.look_at(summary.as_ref().map_or(0, |summary| summary.instances));
        summary
    }

    /// Its instances.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        let instances = self.registry.instances(self.key).unwrap_or_default();
        self.look_at(instances.len());
        instances
    }

    fn look_at(&self, instances: usize) {
        self.looked_at.update(|count| count + instances);
    }
}
