//! Paged lists of the inventory.

use super::{Application, Instance, Inventory, ListPosition};
use crate::{ApplicationId, InstanceId};

impl Inventory {
    /// Up to `limit` applications with ids greater than `after`, by ascending id. The reserved application is not listed.
    #[must_use]
    pub fn applications(&self, after: Option<ApplicationId>, limit: usize) -> Vec<Application> {
        let page = self.listing.applications(after, limit);
        page.into_iter()
            .filter_map(|id| self.application(id))
            .collect()
    }

    /// Up to `limit` instances of an application with ids greater than `after`, by ascending id. `None` selects the instances whose
    /// application is unknown.
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

    /// The ids of the instances that [`Inventory::instances`] returns.
    #[must_use]
    pub fn instance_ids(
        &self,
        application: Option<ApplicationId>,
        after: Option<InstanceId>,
        limit: usize,
    ) -> Vec<InstanceId> {
        self.listing.instances(application, after, limit)
    }

    /// Up to `limit` positions of the list of all instances, after `after`.
    #[must_use]
    pub fn positions(&self, after: Option<ListPosition>, limit: usize) -> Vec<ListPosition> {
        self.listing.positions(after, limit)
    }
}
