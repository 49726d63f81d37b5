//! Reads of consumers and consoles.

use bytes::Bytes;
use rollcall_domain::{
    Timestamp,
    catalog::{
        Endpoint, Instance, Kind, Selection, ServiceDetail, ServiceKey, ServiceView, Summary,
    },
};

use super::{Catalog, Page};
use crate::{Encoded, Error, Form};

/// Services that a listing reads under one lock.
const CHUNK: usize = 256;

/// An encoded list and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub head: Bytes,
    pub tail: Bytes,
    /// Whether the service exists. The list of an unknown one is empty.
    pub exists: bool,
    /// The encoded revision; 0 for an unknown service.
    pub revision: u64,
    /// The time for the answer. It never decreases from one answer about the service to the next, and increases if the service
    /// has changed: clients drop a list that is not newer than theirs.
    pub stamp: Timestamp,
}

impl Catalog {
    /// A service as a consumer sees it. Not cached; [`Catalog::body`] is.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn query(&self, service: &ServiceKey, selection: &Selection) -> Result<ServiceView, Error> {
        self.complete()?;
        Ok(self.0.registry.read().view(service, selection))
    }

    /// A list as `encode` writes it. It is called at most once for each revision of a service, selection and form, if the
    /// result fits the cache, and all callers share the result.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn body(
        &self,
        service: &ServiceKey,
        selection: &Selection,
        form: Form,
        encode: impl FnOnce(&ServiceView) -> Encoded,
    ) -> Result<Body, Error> {
        self.complete()?;
        let wall = self.wall();
        let (revision, stamp) = {
            let registry = self.0.registry.read();
            (registry.revision(service), registry.stamp(service, wall))
        };
        let key = (revision, form, selection.clone());
        if revision > 0
            && let Some(Encoded { head, tail }) = self.0.bodies.get(&key)
        {
            return Ok(Body {
                head,
                tail,
                exists: true,
                revision,
                stamp,
            });
        }
        let (view, stamp) = {
            let registry = self.0.registry.read();
            (
                registry.view(service, selection),
                registry.stamp(service, wall),
            )
        };
        let encoded = encode(&view);
        if view.exists {
            let key = (view.revision, form, key.2);
            self.0.bodies.put(key, encoded.clone());
        }
        Ok(Body {
            head: encoded.head,
            tail: encoded.tail,
            exists: view.exists,
            revision: view.revision,
            stamp,
        })
    }

    /// The instance at an endpoint with its true state. Without a kind, the ephemeral one has precedence.
    ///
    /// # Errors
    /// The service or the instance does not exist, or the catalog is loading and does not know it yet.
    pub fn instance(
        &self,
        service: &ServiceKey,
        endpoint: &Endpoint,
        kind: Option<Kind>,
    ) -> Result<Instance, Error> {
        let found = self.0.registry.read().lookup(service, endpoint, kind);
        found.or_else(|missing| {
            self.complete()?;
            Err(missing.into())
        })
    }

    /// All instances of a service with their true state, ordered by endpoint.
    ///
    /// # Errors
    /// There is no such service, or the catalog is loading.
    pub fn instances(&self, service: &ServiceKey) -> Result<Vec<Instance>, Error> {
        self.complete()?;
        let instances = self.0.registry.read().instances(service);
        instances.ok_or(Error::NotFound(crate::NotFound::Service))
    }

    /// A service with all its settings.
    #[must_use]
    pub fn service(&self, service: &ServiceKey) -> Option<ServiceDetail> {
        self.0.registry.read().detail(service)
    }

    /// A service for a listing.
    #[must_use]
    pub fn summary(&self, service: &ServiceKey) -> Option<Summary> {
        self.0.registry.read().summary(service)
    }

    /// The services of a namespace, optionally of one group, in order: `limit` of them from position `offset` on. Services that
    /// are added or removed meanwhile may or may not be included.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn services(
        &self,
        namespace: &str,
        group: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> Result<Page<ServiceKey>, Error> {
        self.services_where(namespace, group, (offset, limit), |_| true)
    }

    /// As [`Catalog::services`], with a filter.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn services_where(
        &self,
        namespace: &str,
        group: Option<&str>,
        (offset, limit): (usize, usize),
        mut is_listed: impl FnMut(&Listed<'_>) -> bool,
    ) -> Result<Page<ServiceKey>, Error> {
        self.complete()?;
        let mut page = Page {
            items: Vec::new(),
            total: 0,
        };
        let mut after: Option<ServiceKey> = None;
        loop {
            let registry = self.0.registry.read();
            let mut seen = 0;
            let mut last = None;
            for key in registry.keys(namespace, group, after.as_ref()).take(CHUNK) {
                let registry = &registry;
                if is_listed(&Listed { key, registry }) {
                    if page.total >= offset && page.items.len() < limit {
                        page.items.push(key.clone());
                    }
                    page.total += 1;
                }
                seen += 1;
                last = Some(key);
            }
            after = last.cloned();
            if seen < CHUNK {
                return Ok(page);
            }
        }
    }

    /// Up to `limit` services of all namespaces, in order, optionally after one.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn all_services(
        &self,
        after: Option<&ServiceKey>,
        limit: usize,
    ) -> Result<Vec<ServiceKey>, Error> {
        self.complete()?;
        let registry = self.0.registry.read();
        Ok(registry.all_keys(after).take(limit).cloned().collect())
    }
}

/// A service for the filter of a listing. The catalog is locked, so the filter must call nothing else of it.
#[derive(Debug)]
pub struct Listed<'a> {
    pub key: &'a ServiceKey,
    registry: &'a rollcall_domain::catalog::Registry,
}

impl Listed<'_> {
    /// Its entry in the listing.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        self.registry.summary(self.key)
    }

    /// Its instances.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.registry.instances(self.key).unwrap_or_default()
    }
}
