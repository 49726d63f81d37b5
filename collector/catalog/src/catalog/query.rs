//! Reads of consumers and consoles.

use bytes::Bytes;
use rollcall_domain::{
    Timestamp,
    catalog::{
        Endpoint, Instance, Kind, Selection, ServiceDetail, ServiceKey, ServiceView, Summary,
    },
};

use super::Catalog;
use crate::{Encoded, Error, Form};

/// An encoded list, and its contents before encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The first part, as encoded.
    pub head: Bytes,
    /// The second part, as encoded.
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

    /// A list as `encode` writes it. `encode` is called at most once for each revision of a service, selection and form, and all
    /// callers share the result, if the result fits the cache.
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
        self.instances_from(service, 0, usize::MAX)
    }

    /// As [`Catalog::instances`], but at most `limit` instances, starting at position `from`.
    ///
    /// # Errors
    /// As [`Catalog::instances`].
    pub fn instances_from(
        &self,
        service: &ServiceKey,
        from: usize,
        limit: usize,
    ) -> Result<Vec<Instance>, Error> {
        self.complete()?;
        let registry = self.0.registry.read();
        let instances = registry.instances_from(service, from, limit);
        instances.ok_or(Error::NotFound(crate::NotFound::Service))
    }

    /// Whether a service is known.
    #[must_use]
    pub fn contains(&self, service: &ServiceKey) -> bool {
        self.0.registry.read().contains(service)
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
}
