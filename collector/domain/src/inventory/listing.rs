//! The ids in order, for listings. It is separate from the tables because those have no order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{self, Excluded, Unbounded},
};

use parking_lot::{RwLock, RwLockWriteGuard};

use super::Application;
use crate::{ApplicationId, InstanceId};

/// The position of an instance in the list of all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPosition {
    /// `None` if the application is unknown.
    pub application: Option<ApplicationId>,
    /// The instance.
    pub instance: InstanceId,
}

/// The listed ids.
#[derive(Default)]
pub(super) struct Listing(RwLock<Index>);

#[derive(Default)]
struct Index {
    applications: BTreeSet<ApplicationId>,
    instances: BTreeMap<Option<ApplicationId>, BTreeSet<InstanceId>>,
}

/// Write access to the listing. Readers wait until it is dropped, so the listed entries must be visible by then.
pub(super) struct Update<'a>(RwLockWriteGuard<'a, Index>);

impl Listing {
    pub(super) fn applications(
        &self,
        after: Option<ApplicationId>,
        limit: usize,
    ) -> Vec<ApplicationId> {
        page(&self.0.read().applications, after, limit)
    }

    pub(super) fn instances(
        &self,
        application: Option<ApplicationId>,
        after: Option<InstanceId>,
        limit: usize,
    ) -> Vec<InstanceId> {
        self.0
            .read()
            .instances
            .get(&application)
            .map_or_else(Vec::new, |ids| page(ids, after, limit))
    }

    /// Instances of all applications: those with an unknown application first, then by application.
    pub(super) fn positions(&self, after: Option<ListPosition>, limit: usize) -> Vec<ListPosition> {
        let index = self.0.read();
        let from = after.map_or(Unbounded, |position| Bound::Included(position.application));
        let mut positions = Vec::new();
        for (&application, ids) in index.instances.range((from, Unbounded)) {
            let rest = after.filter(|position| position.application == application);
            let left = limit - positions.len();
            let ids = page(ids, rest.map(|position| position.instance), left);
            positions.extend(ids.into_iter().map(|instance| ListPosition {
                application,
                instance,
            }));
            if positions.len() >= limit {
                break;
            }
        }
        positions
    }

    pub(super) fn update(&self) -> Update<'_> {
        Update(self.0.write())
    }
}

impl Update<'_> {
    pub(super) fn application(&mut self, application: &Application) {
        if !application.is_reserved() && application.alias_of.is_none() {
            self.0.applications.insert(application.id);
        }
    }

    /// `before` is the application under which the instance was listed so far; `None` if it was not listed.
    pub(super) fn instance(
        &mut self,
        before: Option<Option<ApplicationId>>,
        id: InstanceId,
        application: Option<ApplicationId>,
    ) {
        if before == Some(application) {
            return;
        }
        if let Some(listed) = before.and_then(|before| self.0.instances.get_mut(&before)) {
            listed.remove(&id);
        }
        let listed = self.0.instances.entry(application).or_default();
        listed.insert(id);
    }
}

fn page<T: Copy + Ord>(ids: &BTreeSet<T>, after: Option<T>, limit: usize) -> Vec<T> {
    let after: Bound<T> = after.map_or(Unbounded, Excluded);
    ids.range((after, Unbounded)).take(limit).copied().collect()
}
