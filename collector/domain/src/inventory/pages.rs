//! Lists of what the inventory holds, page by page.

use super::{Application, Instance, Inventory, Place};
use crate::{ApplicationId, InstanceId};

impl Inventory {
    /// Up to `limit` applications with ids greater than `after`, by ascending id. The reserved one is not listed.
    #[must_use]
    pub fn applications(&self, after: Option<ApplicationId>, limit: usize) -> Vec<Application> {
        let page = self.listing.applications(after, limit);
        page.into_iter()
            .filter_map(|id| self.application(id))
            .collect()
    }

    /// Up to `limit` instances of an application with ids greater than `after`, by ascending id; `None` for those
    /// whose application is not known.
    #[must_use]
    pub fn instances(
        &self,
        application: Option<ApplicationId>,
        after: Option<InstanceId>,
        limit: usize,
    ) -> Vec<Instance> {
        let page = self.instance_ids(application, after, limit);
        page.into_iter()
            .filter_map(|id| self.instance(id))
            .collect()
    }

    /// The ids of what [`Inventory::instances`] gives.
    #[must_use]
    pub fn instance_ids(
        &self,
        application: Option<ApplicationId>,
        after: Option<InstanceId>,
        limit: usize,
    ) -> Vec<InstanceId> {
        self.listing.instances(application, after, limit)
    }

    /// Up to `limit` places of the list of all instances, after `after`.
    #[must_use]
    pub fn places(&self, after: Option<Place>, limit: usize) -> Vec<Place> {
        self.listing.places(after, limit)
    }
}
